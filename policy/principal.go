package policy

import "strings"

// Class says how closely a principal element, or the grantee of a grant, names
// the caller (rule 2.3). A closer class has fewer limits (rule 5.3).
type Class int

// The classes.
const (
	NoMatch Class = iota
	Account       // the caller's account: identity policies decide
	Parent        // the role of a session, the user of a federated session
	Exact         // the caller itself, or everybody
)

// A principalSet is a compiled Principal or NotPrincipal element.
type principalSet struct {
	not       bool
	everybody bool
	names     []string // ARNs and unique ids
	providers []string // of web identities
}

func newPrincipalSet(p Principals) principalSet {
	s := principalSet{not: p.Not}
	for _, e := range p.Entries {
		switch {
		case e.Type == "AWS" && e.Value == "*":
			s.everybody = true
		case e.Type == "AWS" && isAccount(e.Value):
			s.names = append(s.names, rootARN(e.Value))
		case e.Type == "AWS" && e.Value != "":
			s.names = append(s.names, e.Value)
		case e.Type == "Federated" && e.Value != "":
			s.providers = append(s.providers, e.Value)
		}
	}
	return s
}

// class finds how the caller is named. A denying NotPrincipal names every caller
// whose exact ARN is not in it, and any that has a boundary (rule 2.5); an
// allowing one names nobody.
func (s *principalSet) class(p *Principal, delegate string, denies, bounded bool) Class {
	if !s.not {
		return s.named(p, delegate, denies)
	}
	if !denies || !bounded && s.listed(p) {
		return NoMatch
	}
	return Exact
}

func (s *principalSet) named(p *Principal, delegate string, denies bool) (best Class) {
	switch {
	case s.everybody && denies:
		return Exact
	case p.Kind == WebIdentity:
		return s.vouched(p)
	case p.Kind == Anonymous:
		return NoMatch
	case s.everybody:
		return Exact
	}
	for _, n := range s.names {
		switch n {
		case p.ARN, p.ID:
			return Exact
		case p.ParentARN, p.ParentID:
			best = Parent
		case delegate:
			best = max(best, Account)
		}
	}
	return best
}

func (s *principalSet) vouched(p *Principal) Class {
	for _, n := range s.providers {
		if n == p.Provider {
			return Exact
		}
	}
	return NoMatch
}

func (s *principalSet) listed(p *Principal) bool {
	for _, n := range s.names {
		if n == p.ARN || n == p.ID {
			return true
		}
	}
	return p.Kind == WebIdentity && s.vouched(p) == Exact
}

// isAccount reports whether s is an account id.
func isAccount(s string) bool { return len(s) == 12 && digits(s) }

// account gives the account of an account principal, in either form.
func (e PrincipalEntry) account() (string, bool) {
	if isAccount(e.Value) {
		return e.Value, e.Type == "AWS"
	}
	a, ok := cutARN(e.Value)
	return a.segments[4], ok && e.Type == "AWS" && e.Value == rootARN(a.segments[4]) && isAccount(a.segments[4])
}

// valid reports whether the entry could name anybody: no partial wildcards, no
// groups (rule 2.2).
func (e PrincipalEntry) valid() bool {
	if _, ok := e.account(); ok || e.Type == "AWS" && e.Value == "*" {
		return true
	}
	if e.Value == "" || strings.ContainsAny(e.Value, "*?") {
		return false
	}
	if e.Type == "Service" || e.Type == "CanonicalUser" {
		return true
	}
	a, ok := cutARN(e.Value)
	if !ok || a.segments[0] != "arn" || a.segments[1] != "aws" || a.segments[3] != "" || !isAccount(a.segments[4]) {
		return e.Type == "Federated" && !strings.Contains(e.Value, ":")
	}
	what, name, _ := strings.Cut(a.segments[5], "/")
	switch a.segments[2] + ":" + what {
	case "iam:user", "iam:role":
		return e.Type == "AWS" && name != ""
	case "sts:assumed-role":
		return e.Type == "AWS" && strings.Count(name, "/") == 1
	case "sts:federated-user":
		return e.Type == "AWS" && name != ""
	case "iam:oidc-provider", "iam:saml-provider":
		return e.Type == "Federated" && name != ""
	}
	return false
}
