package policy

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A reader turns the text of a policy into statements. It refuses duplicate
// names, unknown elements and wrong types, and goes no deeper than the language
// does, so that its work is bounded by the length of the text.
type reader struct {
	text []byte
	kind Kind
	json *jsontext.Decoder

	seen, line, column int // the place of the last statement: offset, line and column
}

// read is the first half of parsing: syntax only.
func read(text []byte, kind Kind) (*Policy, error) {
	r := &reader{text: text, kind: kind, json: jsontext.NewDecoder(bytes.NewBuffer(text)), line: 1, column: 1}
	p := &Policy{Kind: kind, text: text}
	if err := r.policy(p); err != nil {
		return nil, err
	}
	if _, err := r.json.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, r.fail("text after the policy")
	}
	if len(p.Statements) == 0 {
		return nil, r.fail("no Statement")
	}
	return p, nil
}

func (r *reader) policy(p *Policy) error {
	return r.object(func(name string) (err error) {
		switch name {
		case "Version":
			p.Version, err = r.string()
			if err == nil && p.Version != Version2008 && p.Version != Version2012 {
				return r.fail("unknown Version %.40q", p.Version)
			}
		case "Id":
			p.ID, err = r.string()
		case "Statement":
			return r.statements(p)
		default:
			return r.fail("unknown element %.80q", name)
		}
		return err
	})
}

func (r *reader) statements(p *Policy) error {
	one := func() error {
		s := &Statement{Index: len(p.Statements)}
		p.Statements = append(p.Statements, s)
		return r.statement(s)
	}
	if r.json.PeekKind() == '[' {
		return r.array(one)
	}
	return one()
}

func (r *reader) statement(s *Statement) error {
	s.Line, s.Column = r.advance(r.next())
	err := r.object(func(name string) (err error) {
		switch name {
		case "Sid":
			s.Sid, err = r.string()
		case "Effect":
			var effect string
			effect, err = r.string()
			s.Effect = Effect(effect)
		case "Principal", "NotPrincipal":
			return r.principals(&s.Principals, name == "NotPrincipal")
		case "Action", "NotAction":
			return r.elements(&s.Actions, name == "NotAction", false)
		case "Resource", "NotResource":
			return r.elements(&s.Resources, name == "NotResource", true)
		case "Condition":
			return r.conditions(s)
		default:
			return r.fail("unknown element %.80q", name)
		}
		return err
	})
	if err == nil && !strings.EqualFold(string(s.Effect), string(Allow)) && !strings.EqualFold(string(s.Effect), string(Deny)) {
		return r.fail("Effect must be Allow or Deny")
	}
	return err
}

// elements reads a string or an array of strings. A null among resources is
// passed over, as AWS does.
func (r *reader) elements(e *Elements, not, nulls bool) error {
	if e.Present {
		return r.fail("an element and its Not form exclude each other")
	}
	e.Present, e.Not, e.Values = true, not, []string{}
	one := func() error {
		if nulls && r.json.PeekKind() == 'n' {
			return r.json.SkipValue()
		}
		v, err := r.string()
		e.Values = append(e.Values, v)
		return err
	}
	if r.json.PeekKind() == '[' {
		return r.array(one)
	}
	nulls = false // alone it is no resource
	return one()
}

func (r *reader) principals(p *Principals, not bool) error {
	if p.Present {
		return r.fail("Principal and NotPrincipal exclude each other")
	}
	p.Present, p.Not = true, not
	if r.json.PeekKind() == '"' {
		return r.principal(p, "")
	}
	return r.object(func(kind string) error {
		if !slices.Contains([]string{"AWS", "Federated", "Service", "CanonicalUser"}, kind) {
			return r.fail("unknown kind of principal %.80q", kind)
		}
		one := func() error { return r.principal(p, kind) }
		if r.json.PeekKind() == '[' {
			return r.array(one)
		}
		return one()
	})
}

func (r *reader) principal(p *Principals, kind string) error {
	start := r.next()
	v, err := r.string()
	if kind == "" && v == "*" {
		kind = "AWS" // rule 2.2
	}
	p.Entries = append(p.Entries, PrincipalEntry{kind, v, start, int(r.json.InputOffset())})
	return err
}

func (r *reader) conditions(s *Statement) error {
	return r.object(func(operator string) error {
		return r.object(func(key string) error {
			c := Condition{Operator: operator, Key: key, Values: []string{}}
			one := func() error {
				v, err := r.scalar()
				c.Values = append(c.Values, v)
				return err
			}
			var err error
			if r.json.PeekKind() == '[' {
				err = r.array(one)
			} else {
				err = one()
			}
			s.Conditions = append(s.Conditions, c)
			return err
		})
	})
}
