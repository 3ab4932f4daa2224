package iam

import (
	"maps"
	"slices"
	"strings"

	"github.com/keyd-hsm/keyd/policy"
)

// ContextKeys lists the condition keys that policies refer to, in conditions and
// in variables, sorted, each once whatever its case. InvalidInput when one of
// the documents is no policy.
func (s *Service) ContextKeys(documents []string) ([]string, error) {
	found := make(map[string]string)
	for _, d := range documents {
		p, err := policy.Load("", []byte(d), policy.Identity)
		if err != nil {
			return nil, refuse(CodeInvalidInput, "Syntax errors in policy.")
		}
		contextKeys(p, found)
	}
	return slices.Sorted(maps.Values(found)), nil
}

// ContextKeysOf is ContextKeys for the policies of a user, group or role, those
// of a user's groups included, and for more documents.
func (s *Service) ContextKeysOf(tx Tx, arn string, documents []string) ([]string, error) {
	own, err := s.granting(tx, arn)
	if err != nil {
		return nil, err
	}
	for _, p := range own.Identity {
		documents = append(documents, p.Text())
	}
	return s.ContextKeys(documents)
}

func contextKeys(p *policy.Policy, found map[string]string) {
	note := func(key string) {
		if _, ok := found[strings.ToLower(key)]; !ok {
			found[strings.ToLower(key)] = key
		}
	}
	variables := func(texts []string) {
		if p.Version != policy.Version2012 {
			return // there ${…} is plain text
		}
		for _, text := range texts {
			for key := range variablesIn(text) {
				note(key)
			}
		}
	}
	for _, st := range p.Statements {
		variables(st.Resources.Values)
		for _, c := range st.Conditions {
			note(c.Key)
			variables(c.Values)
		}
	}
}

// variablesIn yields the keys in ${key} and ${key, 'default'}, but not the
// escapes ${*}, ${?} and ${$}.
func variablesIn(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for {
			_, rest, ok := strings.Cut(text, "${")
			if !ok {
				return
			}
			inside, after, ok := strings.Cut(rest, "}")
			if !ok {
				return
			}
			key, _, _ := strings.Cut(inside, ",")
			if key = strings.TrimSpace(key); strings.Contains(key, ":") && !yield(key) {
				return
			}
			text = after
		}
	}
}

// granting reads the policies of a user with its groups, a group or a role.
func (s *Service) granting(tx Tx, arn string) (*Gathered, error) {
	e, err := s.Entity(tx, arn)
	if err != nil {
		return nil, err
	}
	g := &gathering{s: s, tx: tx, Gathered: &Gathered{id: e.ID}}
	if err := g.holder(Holder{e.Kind, e.Name}); err != nil {
		return nil, err
	}
	if e.Kind == KindUser {
		err = g.groups(e.Name)
	}
	return g.Gathered, err
}

// grants reports whether some statement of the policy allows an action of a
// service, on whatever resource and condition.
func grants(p *policy.Policy, service string) bool {
	for _, st := range p.Statements {
		if st.Effect != policy.Allow || !st.Actions.Present {
			continue
		}
		named, whole := false, false
		for _, a := range st.Actions.Values {
			vendor, name, _ := strings.Cut(strings.ToLower(a), ":")
			here := vendor == "*" || vendor == service
			named = named || here
			whole = whole || here && (vendor == "*" || name == "*")
		}
		if named && !st.Actions.Not || st.Actions.Not && !whole {
			return true
		}
	}
	return false
}
