package authz

import (
	"context"
	"slices"
	"strings"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/policy"
)

// A Simulation is a question that nobody asks in earnest: what would the gate
// say, if things were so? Its Caller need not have called.
type Simulation struct {
	Request
	// Own are the policies of somebody who exists; nil: only those below count.
	Own *iam.Gathered
	// Identity are policies beside those of Own, Boundary one in place of its
	// permissions boundary. Resource stands in place of the policy of the key or
	// role, and Owner is the account of the resource then.
	Identity []*policy.Policy
	Boundary *policy.Policy
	Resource *policy.Policy
	Owner    string
	// Alone leaves out what nobody has given: the guardrails, and the policy that
	// a key must have.
	Alone bool
	// Given are condition keys; they replace what the gate would find itself.
	Given []policy.Fact

	keys map[*policy.Policy][]string // condition keys of policies, found so far
}

// Simulated is what the gate would say.
type Simulated struct {
	policy.Decision
	// Matches are the statements that match, in the order of reporting.
	Matches []SimulatedMatch
	// Missing are condition keys that the policies ask for and that are neither
	// given nor known.
	Missing []string
	// ByBoundary and ByGuardrails say what each would allow if nothing else
	// limited; nil where there is none.
	ByBoundary, ByGuardrails *bool
	// Foreign reports that caller and resource belong to different accounts.
	Foreign bool
}

// A SimulatedMatch is a statement that matches, and the policy it stands in.
type SimulatedMatch struct {
	policy.Match
	Policy *policy.Policy
}

// Simulate answers a check as Decide would. A check about a key that is not
// there is refused, as no key policy allows it; Check.Key or Check.Trust, or
// Resource, gives it one.
func (g *Gate) Simulate(ctx context.Context, s *Simulation, c Check) (*Simulated, error) {
	in := &policy.Policies{SCP: g.guardrails.SCP, Identity: slices.Clone(s.Identity)}
	if s.Own != nil {
		in.Identity, in.Boundary = slices.Concat(s.Own.Identity, s.Identity), s.Own.Boundary
	}
	if s.Boundary != nil {
		in.Boundary = s.Boundary
	}
	target := g.gatherTarget(&s.Request, c, in)
	switch {
	case s.Resource != nil:
		in.Resource, in.RCP, in.IdentityOnly = s.Resource, g.guardrails.RCP, false
		target.Account = s.Owner
	case c.Key == nil && c.Trust == nil && ownPolicy(c):
		in.IdentityOnly = s.Alone
	}
	if s.Alone {
		in.SCP, in.RCP = nil, nil
	}
	if !s.Alone && s.Resource == nil {
		var err error
		if in.Grant, err = g.grantClass(ctx, s.Caller, c); err != nil {
			return nil, err
		}
	}
	facts := s.known(c, target.Account)
	who := principal(s.Caller)
	question := policy.NewRequest(who, target, policy.NewContext(facts...))
	missing, err := g.missing(s, in, facts)
	if err != nil {
		return nil, err
	}
	out := &Simulated{Decision: policy.Decide(question, in), Missing: missing, Foreign: who.Account != target.Account}
	out.Matches = matches(question, in)
	if in.Boundary != nil {
		out.ByBoundary = byBoundary(out.Matches)
	}
	if len(in.SCP) > 0 || len(in.RCP) > 0 {
		out.ByGuardrails = byGuardrails(question, in)
	}
	return out, nil
}

// ownPolicy reports whether a check is about what has a policy of its own, so
// that without it nothing is allowed: a key.
func ownPolicy(c Check) bool {
	part := strings.SplitN(c.Resource, ":", 6)
	return len(part) == 6 && part[2] == "kms" && strings.HasPrefix(part[5], "key/")
}

// unknowable are condition keys of a connection; a simulation has none.
var unknowable = []string{"aws:securetransport", "aws:sourceip", "aws:useragent", "aws:referer"}

// known are the condition keys of a check: given ones, and those that follow
// from the caller, the resource and the clock.
func (s *Simulation) known(c Check, owner string) []policy.Fact {
	facts := slices.DeleteFunc(s.facts(c, owner), func(f policy.Fact) bool {
		return slices.Contains(unknowable, strings.ToLower(f.Key)) ||
			slices.ContainsFunc(s.Given, func(g policy.Fact) bool { return strings.EqualFold(g.Key, f.Key) })
	})
	return append(facts, s.Given...)
}

// missing lists the keys that policies ask for and the context has not, sorted.
func (g *Gate) missing(s *Simulation, in *policy.Policies, facts []policy.Fact) ([]string, error) {
	known := make(map[string]bool, len(facts))
	for _, f := range facts {
		known[strings.ToLower(f.Key)] = true
	}
	list := []string{}
	for _, p := range all(in) {
		keys, err := g.asked(s, p)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if k := strings.ToLower(key); !known[k] {
				known[k] = true
				list = append(list, key)
			}
		}
	}
	slices.Sort(list)
	return list, nil
}

// asked are the condition keys that a policy refers to, found once.
func (g *Gate) asked(s *Simulation, p *policy.Policy) ([]string, error) {
	keys, ok := s.keys[p]
	if ok || p == nil || p.Text() == "" { // one that could not be read
		return keys, nil
	}
	keys, err := g.iam.ContextKeys([]string{p.Text()})
	if s.keys == nil {
		s.keys = make(map[*policy.Policy][]string)
	}
	s.keys[p] = keys
	return keys, err
}

// all lists the policies that apply.
func all(in *policy.Policies) []*policy.Policy {
	list := slices.Concat(slices.Concat(in.RCP...), slices.Concat(in.SCP...), in.Identity, in.Session)
	for _, p := range []*policy.Policy{in.Resource, in.Boundary} {
		if p != nil {
			list = append(list, p)
		}
	}
	return list
}

// matches explains, with the policy of each statement.
func matches(r *policy.Request, in *policy.Policies) []SimulatedMatch {
	var list []SimulatedMatch
	home := make(map[*policy.Statement]*policy.Policy)
	for _, p := range all(in) {
		if p == nil {
			continue // denies, by a statement that stands nowhere
		}
		for _, s := range p.Statements {
			home[s] = p
		}
	}
	for _, m := range policy.Explain(r, in) {
		list = append(list, SimulatedMatch{m, home[m.Statement]})
	}
	return list
}

// byBoundary says what the boundary allows.
func byBoundary(matches []SimulatedMatch) *bool {
	allowed := false
	for _, m := range matches {
		if m.Layer != policy.OnBoundary {
			continue
		}
		if m.Statement.Effect == policy.Deny {
			return new(false)
		}
		allowed = true
	}
	return &allowed
}

// byGuardrails asks the guardrails alone: what they do not refuse, the lack of
// all else does.
func byGuardrails(r *policy.Request, in *policy.Policies) *bool {
	d := policy.Decide(r, &policy.Policies{SCP: in.SCP, RCP: in.RCP})
	return new(d.Layer != policy.Guardrails && d.Layer != policy.ResourceGuardrails)
}
