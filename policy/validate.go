package policy

import (
	"fmt"
	"strings"
)

// validate refuses what AWS refuses on save. The checks come in AWS's order, so
// that a policy with several faults is refused for the same one.
func validate(p *Policy) error {
	checks := []func(*Policy) error{
		checkCharacters,
		each(checkElements), each(checkOperators),
		checkVersion,
		each(checkEffect), each(checkValues), checkResourceForm(legacyText),
		checkSids,
		each(checkHasActions),
		checkResourceForm(""),
		each(checkActions), each(checkHasResources),
		each(checkPrincipals), each(checkQuantifiers), each(checkGuardrail),
	}
	for _, check := range checks {
		if err := check(p); err != nil {
			return err
		}
	}
	return nil
}

func each(check func(*Policy, *Statement) error) func(*Policy) error {
	return func(p *Policy) error {
		for _, s := range p.Statements {
			if err := check(p, s); err != nil {
				return err
			}
		}
		return nil
	}
}

// checkCharacters refuses in a key policy what is neither Latin-1 nor a tab or
// line end (rule 9.2).
func checkCharacters(p *Policy) error {
	if p.Kind != Key {
		return nil
	}
	for i, c := range string(p.text) {
		if c != '\t' && c != '\n' && c != '\r' && (c < 0x20 || c > 0xff) {
			line, column := place(p.text, i)
			return &Error{p.Kind, syntaxText, "a key policy holds characters up to U+00FF only", line, column}
		}
	}
	return nil
}

// checkElements refuses elements that the kind of policy has not (rule 3.1).
func checkElements(p *Policy, s *Statement) error {
	switch {
	case s.Principals.Present && !p.Kind.namesPrincipals():
		return s.refuse(p.Kind, hasPrincipalText, "%v", p.Kind)
	case s.Principals.Not && p.Kind == Trust:
		return s.refuse(p.Kind, trustNotText, "")
	case s.Resources.Present && p.Kind == Trust:
		return s.refuse(p.Kind, trustResourceText, "")
	}
	return nil
}

func checkOperators(p *Policy, s *Statement) error {
	for _, c := range s.Conditions {
		if op, _, _ := parseOperator(c.Operator); op == nil {
			return s.refuse(p.Kind, syntaxText, "unknown operator %.80q", c.Operator)
		}
	}
	return nil
}

// checkVersion demands the new version where AWS does. Key and trust policies
// may be old.
func checkVersion(p *Policy) error {
	if p.Kind.current() && p.Version != Version2012 {
		return &Error{Kind: p.Kind, Reason: versionText, Line: 1, Column: 1}
	}
	return nil
}

func checkEffect(p *Policy, s *Statement) error {
	if s.Effect != Allow && s.Effect != Deny {
		return s.refuse(p.Kind, legacyText, "Effect %.40q", string(s.Effect))
	}
	return nil
}

// checkValues refuses values that are not of their operator's type (rule 4.7).
func checkValues(p *Policy, s *Statement) error {
	for _, c := range s.Conditions {
		op, _, _ := parseOperator(c.Operator)
		for _, v := range c.Values {
			if _, ok := newOperand(op.family, v, false); !ok {
				return s.refuse(p.Kind, legacyText, "%s: %.80q is no value for it", c.Operator, v)
			}
		}
	}
	return nil
}

func checkSids(p *Policy) error {
	seen := map[string]bool{}
	for _, s := range p.Statements {
		if s.Sid != "" && seen[s.Sid] && p.Kind != Key {
			return s.refuse(p.Kind, sidText, "%.80q", s.Sid)
		}
		seen[s.Sid] = true
	}
	return nil
}

// A key policy's statement without actions or resources is saved (rule 3.2).
func checkHasActions(p *Policy, s *Statement) error {
	if len(s.Actions.Values) == 0 && p.Kind != Key {
		return s.refuse(p.Kind, noActionsText, "")
	}
	return nil
}

func checkHasResources(p *Policy, s *Statement) error {
	if len(s.Resources.Values) == 0 && p.Kind != Key && p.Kind != Trust {
		return s.refuse(p.Kind, noResourcesText, "")
	}
	return nil
}

// checkActions wants vendor:name or a lone * (rule 3.4).
func checkActions(p *Policy, s *Statement) error {
	for _, a := range s.Actions.Values {
		vendor, _, colon := strings.Cut(a, ":")
		switch {
		case a == "*" && p.Kind == Trust:
			return s.refuse(p.Kind, trustActionText, "%q", a)
		case a == "*":
		case !colon:
			return s.refuse(p.Kind, vendorlessText, "%.80q", a)
		case strings.Count(a, ":") > 1:
			return s.refuse(p.Kind, colonsText, "%.80q", a)
		case strings.Trim(vendor, vendorCharacters) != "" || vendor == "":
			return s.refuse(p.Kind, "Vendor "+vendor+" is not valid", "")
		case p.Kind == Trust && !strings.EqualFold(vendor, "sts"):
			return s.refuse(p.Kind, trustActionText, "%.80q", a)
		}
	}
	return nil
}

const vendorCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."

// checkPrincipals wants principals where they belong, and valid ones.
func checkPrincipals(p *Policy, s *Statement) error {
	if !p.Kind.namesPrincipals() {
		return nil
	}
	if len(s.Principals.Entries) == 0 {
		return s.refuse(p.Kind, noPrincipalText, "")
	}
	for _, e := range s.Principals.Entries {
		if everybody := e.Type == "AWS" && e.Value == "*"; !e.valid() || s.Principals.Not && everybody {
			return s.invalidPrincipal(p, e)
		}
	}
	if s.Principals.Not && s.Effect == Allow { // rule 2.5
		return s.refuse(p.Kind, invalidInKeyText, "Allow with NotPrincipal would allow all the world")
	}
	return nil
}

func (s *Statement) invalidPrincipal(p *Policy, e PrincipalEntry) error {
	line, column := place(p.text, e.start)
	reason := invalidInKeyText
	if p.Kind == Trust {
		reason = `Invalid principal in policy: "` + e.Type + `":"` + e.Value + `"`
		if e.Type == "" {
			reason = "Invalid principal in policy: " + e.Value
		}
	}
	return &Error{p.Kind, reason, fmt.Sprintf("principal %.120q", e.Value), line, column}
}

// checkQuantifiers refuses ForAllValues on keys that, being absent, would let a
// request pass (rule 4.6).
func checkQuantifiers(p *Policy, s *Statement) error {
	for _, c := range s.Conditions {
		_, q, _ := parseOperator(c.Operator)
		k := strings.ToLower(c.Key)
		if p.Kind == Key && q == forAll && (strings.HasPrefix(k, "kms:encryptioncontext:") || strings.HasPrefix(k, "aws:requesttag/")) {
			return s.refuse(p.Kind, permissiveText, "%.80q", c.Key)
		}
	}
	return nil
}

// checkGuardrail: a guardrail on resources only denies, and denies everybody
// (rule 8.1).
func checkGuardrail(p *Policy, s *Statement) error {
	if p.Kind != RCP {
		return nil
	}
	switch e := s.Principals.Entries; {
	case s.Effect != Deny:
		return s.refuse(p.Kind, syntaxText, "a resource control policy only denies")
	case s.Actions.Not:
		return s.refuse(p.Kind, syntaxText, "a resource control policy has no NotAction")
	case s.Principals.Not || len(e) != 1 || e[0].Value != "*":
		return s.refuse(p.Kind, syntaxText, `the principal of a resource control policy is "*"`)
	}
	return nil
}
