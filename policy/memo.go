package policy

import (
	"fmt"
	"math/bits"
)

// A memo keeps, while one policy is asked about one request, what was found of
// resources and conditions that stand in several of its statements, a bit each.
// It changes no answer, only its price.
type memo struct{ known, found uint64 }

func (m *memo) covers(s *Statement, r *Request) bool {
	if s.covered&m.known != 0 {
		return s.covered&m.found != 0
	}
	return m.keep(s.covered, s.covers(r))
}

func (m *memo) holds(k *condition, c *Context, denies bool) bool {
	if k.held&m.known != 0 {
		return k.held&m.found != 0
	}
	return m.keep(k.held, k.holds(c, denies))
}

func (m *memo) keep(bit uint64, yes bool) bool {
	m.known |= bit
	if yes {
		m.found |= bit
	}
	return yes
}

// remember gives a bit to what stands in more than one statement, until there
// are no more. Effects are told apart, because what is unclear denies but does
// not allow.
func remember(statements []*Statement) {
	if len(statements) < 2 {
		return
	}
	places := make(map[string][]*uint64)
	var order []string
	add := func(text string, bit *uint64) {
		if places[text] == nil {
			order = append(order, text)
		}
		places[text] = append(places[text], bit)
	}
	for _, s := range statements {
		if len(s.resources) > 0 {
			add(fmt.Sprintf("%t %t %q", s.denies, s.notResource, s.Resources.Values), &s.covered)
		}
		for i, c := range s.Conditions {
			add(fmt.Sprintf("%t %q %q %q", s.denies, c.Operator, c.Key, c.Values), &s.conditions[i].held)
		}
	}
	next := uint64(1)
	for _, text := range order {
		if len(places[text]) < 2 {
			continue
		}
		for _, bit := range places[text] {
			*bit = next
		}
		if next = bits.RotateLeft64(next, 1); next == 1 {
			return
		}
	}
}
