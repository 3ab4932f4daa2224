package policy

import "strings"

// identityOnly is a condition key that key policies do not see (section 12): to
// them it is as if it were absent, as this name always is.
const (
	identityOnly = "kms:ResourceAliases"
	nowhere      = "\x00"
)

// A rule is a statement made ready to be matched.
type rule struct {
	denies     bool
	broken     bool // says something that its kind of policy cannot say
	idle       bool // has no effect: a key policy's statement without action or resource (rule 3.2)
	principals *principalSet

	actions   []actionPattern
	notAction bool

	resources   []arnPattern
	notResource bool
	covered     uint64 // the resources' bit of a memo

	conditions []condition
}

// An actionPattern matches an action; case does not count (rule 3.4).
type actionPattern struct {
	all    bool // a lone *
	vendor string
	name   pattern
}

// newAction compiles. A vendor with a wildcard is the vendor of nothing.
func newAction(text string) actionPattern {
	vendor, name, _ := strings.Cut(strings.ToLower(text), ":")
	return actionPattern{text == "*", vendor, newPattern(name, true, false)}
}

func (a *actionPattern) match(r *Request) bool {
	return a.all || a.vendor == r.vendor && a.name.match(r.name, nil)
}

func (s *Statement) compile(kind Kind, variables bool) {
	s.rule = rule{denies: s.Effect == Deny, notAction: s.Actions.Not, notResource: s.Resources.Not}
	s.idle = kind == Key && (len(s.Actions.Values) == 0 || len(s.Resources.Values) == 0)
	s.broken = !s.Actions.Present || s.Resources.Present == (kind == Trust) || s.Principals.Present != kind.namesPrincipals()
	for _, a := range s.Actions.Values {
		s.actions = append(s.actions, newAction(a))
	}
	for _, r := range s.Resources.Values {
		s.resources = append(s.resources, newResource(r, kind, variables))
	}
	for _, c := range s.Conditions {
		if kind == Key && strings.EqualFold(c.Key, identityOnly) {
			c.Key = nowhere
		}
		s.conditions = append(s.conditions, newCondition(c, variables))
	}
	if s.Principals.Present {
		set := newPrincipalSet(s.Principals)
		s.principals = &set
	}
}

// match reports how the statement names the caller, if it is about the request
// at all. The action is compared by acts. The memo is of this policy and request.
func (s *Statement) match(r *Request, bounded bool, m *memo) Class {
	if s.broken {
		return s.unclear()
	}
	class := Exact
	if s.principals != nil {
		class = s.principals.class(&r.principal, r.delegate, s.denies, bounded)
	}
	if class == NoMatch || !m.covers(s, r) {
		return NoMatch
	}
	for i := range s.conditions {
		if !m.holds(&s.conditions[i], r.context, s.denies) {
			return NoMatch
		}
	}
	return class
}

// unclear is the match of a statement that cannot be judged: it denies, but
// allows nothing (rule 1.4).
func (s *Statement) unclear() Class {
	if s.denies {
		return Exact
	}
	return NoMatch
}

// acts reports whether the action is one of the statement's.
func (s *Statement) acts(r *Request) bool {
	if s.broken {
		return true
	}
	for i := range s.actions {
		if s.actions[i].match(r) {
			return !s.notAction
		}
	}
	return s.notAction
}

// covers reports whether the resource is one of the statement's. A trust policy
// has none: it is about its role.
func (s *Statement) covers(r *Request) bool {
	if !s.Resources.Present {
		return true
	}
	for i := range s.resources {
		if p := &s.resources[i]; p.variable && p.unclear(r.context) {
			return s.denies
		} else if p.match(&r.target, r.context) {
			return !s.notResource
		}
	}
	return s.notResource
}
