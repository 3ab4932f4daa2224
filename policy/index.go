package policy

import (
	"maps"
	"slices"
	"strings"
)

// An index keeps this many actions, which bounds its memory; others are looked
// up each time. Those under one policy rarely use more.
const maxIndexed = 64

// compile makes the rule of every statement.
func (p *Policy) compile() {
	for _, s := range p.Statements {
		s.compile(p.Kind, p.Version == Version2012)
		p.conditional = p.conditional || s.asksContext()
	}
	remember(p.Statements)
	p.index.Store(&map[string][]*Statement{})
}

// asksContext reports whether a condition or variable of the statement looks into
// the context of a request.
func (s *Statement) asksContext() bool {
	variable := func(v string) bool { return strings.Contains(v, "${") }
	return len(s.Conditions) > 0 || slices.ContainsFunc(s.Resources.Values, variable)
}

// Conditional reports whether any of the policies looks into the context of a
// request. For those that do not, a request may go without one.
func (in *Policies) Conditional() (yes bool) {
	in.each(func(_ Layer, p *Policy) { yes = yes || p != nil && p.conditional })
	return yes
}

// about lists the statements that are about the request's action, in order. The
// answer is kept, so that the next request for the action compares no actions.
// This changes no answer, only its price; the kept map itself never changes.
func (p *Policy) about(r *Request) []*Statement {
	known := p.index.Load()
	if list, ok := (*known)[r.folded]; ok {
		return list
	}
	list := []*Statement{}
	for _, s := range p.Statements {
		if !s.idle && s.acts(r) {
			list = append(list, s)
		}
	}
	if len(*known) < maxIndexed {
		grown := maps.Clone(*known)
		grown[r.folded] = list
		p.index.CompareAndSwap(known, &grown) // if another was faster, the next request adds it
	}
	return list
}
