package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/policy"
)

func TestPaths(t *testing.T) {
	t.Run("5.1 paths to a key", func(t *testing.T) {
		situation{key: named("Allow", alice)}.want(t, policy.Allowed)                              // A, exact
		situation{caller: session, key: named("Allow", ops)}.want(t, policy.Allowed)               // A, parent
		situation{key: named("Allow", root), identity: allowKMS}.want(t, policy.Allowed)           // B
		situation{key: named("Allow", root)}.wantBy(t, policy.ImplicitlyDenied, policy.OnIdentity) // B, half
		situation{key: named("Allow", bob), grant: policy.Exact}.want(t, policy.Allowed)           // C
		situation{key: named("Allow", bob), identity: allowAll}.wantBy(t, policy.ImplicitlyDenied, policy.OnResource)
		situation{identity: allowAll}.wantBy(t, policy.ImplicitlyDenied, policy.OnResource)
		situation{key: named("Allow", alice), identity: denyEncrypt}.wantBy(t, policy.ExplicitlyDenied, policy.OnIdentity)
		situation{key: named("Allow", root) + "," + named("Allow", alice)}.want(t, policy.Allowed) // the closest counts
		delegated := strings.Replace(named("Allow", root), `kms:*`, `kms:Decrypt`, 1)
		situation{key: delegated, identity: allowKMS}.want(t, policy.ImplicitlyDenied) // for that action
		conditional := strings.TrimSuffix(named("Allow", root), "}") + "," + condition("Bool", "aws:SecureTransport", "true") + "}"
		situation{key: conditional, identity: allowKMS}.want(t, policy.ImplicitlyDenied) // with its conditions true
		situation{key: conditional, identity: allowKMS, facts: facts(text("aws:SecureTransport", "true"))}.want(t, policy.Allowed)
	})
	t.Run("5.2 identity policies alone", func(t *testing.T) {
		for _, action := range []string{"kms:CreateKey", "kms:ListKeys", "kms:GenerateRandom"} {
			situation{action: action, resource: "*", identityOnly: true, identity: allowKMS}.want(t, policy.Allowed)
			situation{action: action, resource: "*", identityOnly: true}.wantBy(t, policy.ImplicitlyDenied, policy.OnIdentity)
			situation{action: action, resource: "*", identityOnly: true, identity: allowKMS, boundary: allowS3}.wantBy(t, policy.ImplicitlyDenied, policy.OnBoundary)
		}
	})
	t.Run("5.3 limiters", testLimiters)
	t.Run("5.4 deny in a limiter", func(t *testing.T) {
		situation{key: named("Allow", alice), boundary: denyEncrypt}.wantBy(t, policy.ExplicitlyDenied, policy.OnBoundary)
		situation{caller: session, key: named("Allow", session), session: denyEncrypt}.wantBy(t, policy.ExplicitlyDenied, policy.OnSession)
	})
	t.Run("5.5 federated session without a session policy", func(t *testing.T) {
		federator := "arn:aws:iam::111122223333:user/federator"
		situation{caller: guest, key: named("Allow", root), identity: allowAll}.wantBy(t, policy.ImplicitlyDenied, policy.OnSession)
		situation{caller: guest, key: named("Allow", federator)}.want(t, policy.ImplicitlyDenied)
		situation{caller: guest, action: "kms:ListKeys", resource: "*", identityOnly: true, identity: allowAll}.want(t, policy.ImplicitlyDenied)
		situation{caller: guest, key: named("Allow", guest)}.want(t, policy.Allowed)
		situation{caller: guest, key: named("Allow", root), identity: allowAll, session: allowKMS}.want(t, policy.Allowed)
	})
}

// The rows of table 5.3, each under a boundary, a session policy, an SCP and an
// RCP that do not allow, and without identity policies.
func testLimiters(t *testing.T) {
	star := `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*",` + condition("ArnEquals", "aws:PrincipalArn", `"`+ops+`"`) + `}`
	for _, row := range []struct {
		name, caller, key              string
		boundary, session, needsPolicy bool
	}{
		{"A, user named", alice, named("Allow", alice), false, false, false},
		{"A, role session named", session, named("Allow", session), false, false, false},
		{"A, federated session named", guest, named("Allow", guest), false, false, false},
		{"A, everybody", session, named("Allow", "*"), false, false, false},
		{"A, everybody with aws:PrincipalArn", session, star, false, false, false},
		{"A, role named", session, named("Allow", ops), true, true, false},
		{"B", alice, named("Allow", root), true, true, true},
		{"B, session", session, named("Allow", root), true, true, true},
	} {
		verdict := func(limited bool) policy.Verdict {
			if limited {
				return policy.ImplicitlyDenied
			}
			return policy.Allowed
		}
		t.Run(row.name, func(t *testing.T) {
			s := situation{caller: row.caller, key: row.key, identity: allowKMS, facts: facts(text("aws:PrincipalArn", ops))}
			s.want(t, policy.Allowed)
			for limit, c := range map[string]struct {
				set  func(*situation)
				want policy.Verdict
			}{
				"boundary": {func(s *situation) { s.boundary = allowS3 }, verdict(row.boundary)},
				"session":  {func(s *situation) { s.session = allowS3 }, verdict(row.session)},
				"identity": {func(s *situation) { s.identity = "" }, verdict(row.needsPolicy)},
				"SCP":      {func(s *situation) { s.scp = []string{allowS3} }, policy.ImplicitlyDenied},
				"RCP": {func(s *situation) {
					s.rcp = []string{`{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}`}
				}, policy.ExplicitlyDenied},
			} {
				limited := s
				c.set(&limited)
				if got := limited.decide(t).Verdict; got != c.want {
					t.Errorf("limited by %s: %v, want %v", limit, got, c.want)
				}
			}
		})
	}
}

func TestCrossAccount(t *testing.T) {
	t.Run("6.1 both sides", func(t *testing.T) {
		for _, principal := range []string{bob, other, "*"} {
			s := situation{caller: bob, key: named("Allow", principal)}
			s.wantBy(t, policy.ImplicitlyDenied, policy.OnIdentity)
			s.identity = allowKMS
			s.want(t, policy.Allowed)
			s.boundary = allowS3
			s.wantBy(t, policy.ImplicitlyDenied, policy.OnBoundary)
			s.boundary, s.session = "", allowS3
			s.wantBy(t, policy.ImplicitlyDenied, policy.OnSession)
			s.session, s.scp = "", []string{allowS3}
			s.wantBy(t, policy.ImplicitlyDenied, policy.Guardrails)
		}
		situation{caller: bob, key: named("Allow", root), identity: allowAll}.wantBy(t, policy.ImplicitlyDenied, policy.OnResource)
		situation{caller: "arn:aws:iam::444455556666:root", key: named("Allow", other)}.want(t, policy.Allowed)
	})
	t.Run("6.2 grants", func(t *testing.T) {
		situation{caller: bob, grant: policy.Exact}.want(t, policy.Allowed)
		situation{caller: bob, grant: policy.Parent}.want(t, policy.Allowed)
		situation{caller: bob, grant: policy.Account}.wantBy(t, policy.ImplicitlyDenied, policy.OnIdentity)
		situation{caller: bob, grant: policy.Account, identity: allowKMS}.want(t, policy.Allowed)
		situation{caller: bob, grant: policy.Exact, scp: []string{allowS3}}.want(t, policy.ImplicitlyDenied)
		situation{caller: bob, grant: policy.Exact, identity: denyEncrypt}.want(t, policy.ExplicitlyDenied)
	})
}

func TestGrants(t *testing.T) {
	t.Run("7.3 precedence", func(t *testing.T) {
		for class, limited := range map[policy.Class]policy.Verdict{policy.Exact: policy.Allowed, policy.Parent: policy.ImplicitlyDenied, policy.Account: policy.ImplicitlyDenied} {
			s := situation{grant: class, identity: allowKMS}
			s.want(t, policy.Allowed)
			s.boundary = allowS3
			s.want(t, limited)
			s.boundary, s.session = "", allowS3
			s.want(t, limited)
			s.session, s.key = "", named("Deny", "*")
			s.want(t, policy.ExplicitlyDenied)
			s.key, s.scp = "", []string{allowS3}
			s.want(t, policy.ImplicitlyDenied)
		}
	})
	t.Run("5.1 either path is enough", func(t *testing.T) {
		situation{key: named("Allow", root), grant: policy.Exact}.want(t, policy.Allowed)
		situation{key: named("Allow", alice), grant: policy.Account, boundary: allowS3}.want(t, policy.Allowed)
		situation{caller: bob, key: named("Allow", bob), grant: policy.Parent}.want(t, policy.Allowed)
		situation{caller: bob, key: named("Allow", bob), grant: policy.Parent, boundary: allowS3}.want(t, policy.ImplicitlyDenied)
	})
	t.Run("7.2 account grantee", func(t *testing.T) {
		situation{grant: policy.Account}.wantBy(t, policy.ImplicitlyDenied, policy.OnIdentity)
	})
}

func TestGuardrails(t *testing.T) {
	t.Run("8.1 every level of SCPs allows", func(t *testing.T) {
		s := situation{key: named("Allow", alice), scp: []string{allowAll, allowKMS}}
		s.want(t, policy.Allowed)
		s.scp = []string{allowAll, allowS3, allowAll}
		s.wantBy(t, policy.ImplicitlyDenied, policy.Guardrails)
		s.scp = []string{allowAll, ""} // a level without policies
		s.wantBy(t, policy.ImplicitlyDenied, policy.Guardrails)
		s.scp = []string{allowAll + "," + denyEncrypt, allowAll}
		s.wantBy(t, policy.ExplicitlyDenied, policy.Guardrails)
		s.scp = []string{statement("Allow", `"NotAction":"kms:Decrypt",`+condition("Bool", "a", `"true"`))}
		s.facts = facts(text("a", "true"))
		s.want(t, policy.Allowed)
	})
	t.Run("8.1 SCPs grant nothing, and bind root", func(t *testing.T) {
		situation{scp: []string{allowAll}}.want(t, policy.ImplicitlyDenied)
		situation{caller: root, key: named("Allow", root), scp: []string{allowS3}}.want(t, policy.ImplicitlyDenied)
	})
	t.Run("8.1 RCPs only deny", func(t *testing.T) {
		deny := `{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*",` + condition("StringNotEquals", "aws:PrincipalAccount", `"`+account+`"`) + `}`
		s := situation{key: named("Allow", alice), rcp: []string{deny}}
		s.wantBy(t, policy.ExplicitlyDenied, policy.ResourceGuardrails)
		s.facts = facts(text("aws:PrincipalAccount", account))
		s.want(t, policy.Allowed)
		if got := refusal(t, policy.RCP, document(deny)); got != "" {
			t.Error(got)
		}
		for _, bad := range []string{strings.Replace(deny, "Deny", "Allow", 1), strings.Replace(deny, "Action", "NotAction", 1), named("Deny", alice)} {
			if refusal(t, policy.RCP, document(bad)) == "" {
				t.Errorf("RCP accepted: %s", bad)
			}
		}
	})
}

func TestTrust(t *testing.T) {
	t.Run("10.4 trust policies", func(t *testing.T) {
		trusts := func(principal string) situation {
			return situation{action: "sts:AssumeRole", resource: ops, trust: `{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"}`}
		}
		s := trusts(alice)
		s.want(t, policy.Allowed)
		s = trusts(root)
		s.wantBy(t, policy.ImplicitlyDenied, policy.OnIdentity)
		s.identity = allowAll
		s.want(t, policy.Allowed)
		s = trusts(bob)
		s.caller = bob
		s.wantBy(t, policy.ImplicitlyDenied, policy.OnIdentity)
		s.identity = allowAll
		s.want(t, policy.Allowed)
		situation{action: "sts:AssumeRole", resource: ops, identity: allowAll}.wantBy(t, policy.ImplicitlyDenied, policy.OnResource)
	})
}

func TestLockout(t *testing.T) {
	refused := func(s situation) bool {
		s.action = "kms:PutKeyPolicy"
		err := policy.CheckLockout(s.ask(t))
		e, ok := errors.AsType[*policy.Error](err)
		if ok != (err != nil) || ok && (e.Code() != "MalformedPolicyDocumentException" || e.Reason != "The new key policy will not allow you to update the key policy in the future.") {
			t.Errorf("refused with %v", err)
		}
		return err != nil
	}
	t.Run("9.1 the author keeps the key", func(t *testing.T) {
		for _, c := range []struct {
			situation
			want bool
		}{
			{situation{caller: root, key: named("Allow", root)}, false}, {situation{caller: root, key: named("Allow", alice)}, true},
			{situation{key: named("Allow", alice)}, false}, {situation{key: named("Allow", root)}, true}, {situation{key: named("Allow", root), identity: allowKMS}, false},
			{situation{key: named("Allow", alice), boundary: `{"Effect":"Deny","Action":"*","Resource":"*"}`}, true},
			{situation{key: strings.Replace(named("Allow", alice), "kms:*", "kms:Encrypt", 1)}, true}, {situation{caller: bob, key: named("Allow", bob), identity: allowAll}, true},
		} {
			if got := refused(c.situation); got != c.want {
				t.Errorf("%+v: refused %v", c.situation, got)
			}
		}
		if policy.CheckLockout(situation{key: named("Allow", alice)}.ask(t)) == nil {
			t.Error("asked about another action, and passed")
		}
	})
	t.Run("9.2 text and default", func(t *testing.T) {
		p, err := policy.Parse(policy.DefaultKeyPolicy(account), policy.Key)
		if err != nil || !p.Delegates(account) || p.Delegates(other) {
			t.Fatalf("default key policy: %v", err)
		}
		full := append(policy.DefaultKeyPolicy(account), strings.Repeat(" ", policy.MaxKeyBytes)...)
		if _, err := policy.Parse(full, policy.Key); !errors.Is(err, policy.ErrTooLarge) {
			t.Errorf("a long policy: %v", err)
		}
		if _, err := policy.Parse(full[:policy.MaxKeyBytes], policy.Key); err != nil {
			t.Errorf("a policy of the greatest length: %v", err)
		}
		for sid, bad := range map[string]bool{"é": false, "Ā": true, `\u0100`: false, "€": true} {
			text := strings.Replace(document(named("Allow", alice)), `"Effect"`, `"Sid":"`+sid+`","Effect"`, 1)
			if got := refusal(t, policy.Key, text) != ""; got != bad {
				t.Errorf("Sid %s refused: %v", sid, got)
			}
		}
	})
	t.Run("9.3 delegation", func(t *testing.T) {
		for statement, want := range map[string]bool{named("Allow", root): true, named("Allow", account): true, named("Allow", alice): false, named("Deny", root): false} {
			if got := load(t, policy.Key, document(statement)).Delegates(account); got != want {
				t.Errorf("%s delegates: %v", statement, got)
			}
		}
	})
}

func TestDenial(t *testing.T) {
	const begin = "User: " + alice + " is not authorized to perform: kms:Encrypt on resource: " + keyARN + " "
	denied := map[string]situation{
		"because no identity-based policy allows the kms:Encrypt action":  {key: named("Allow", root)},
		"because no resource-based policy allows the kms:Encrypt action":  {identity: allowAll},
		"because no permissions boundary allows the kms:Encrypt action":   {key: named("Allow", root), identity: allowKMS, boundary: allowS3},
		"because no session policy allows the kms:Encrypt action":         {key: named("Allow", root), identity: allowKMS, session: allowS3},
		"because no service control policy allows the kms:Encrypt action": {key: named("Allow", alice), scp: []string{allowS3}},
		"with an explicit deny in a resource-based policy":                {key: named("Deny", alice)},
		"with an explicit deny in an identity-based policy":               {identity: denyEncrypt},
		"with an explicit deny in a permissions boundary":                 {boundary: denyEncrypt},
		"with an explicit deny in a session policy":                       {session: denyEncrypt},
		"with an explicit deny in a service control policy":               {scp: []string{denyEncrypt}},
		"with an explicit deny in a resource control policy":              {rcp: []string{`{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}`}},
	}
	for end, s := range denied {
		t.Run("11 "+end, func(t *testing.T) {
			if got := s.decide(t).Denial(s.request()); got != begin+end {
				t.Errorf("got  %s\nwant %s", got, begin+end)
			}
		})
	}
	t.Run("11 allowed says nothing", func(t *testing.T) {
		s := situation{key: named("Allow", alice)}
		if d := s.decide(t); d.Denial(s.request()) != "" || d.Layer != policy.OnResource || d.Statement == nil || d.Statement.Policy != "test" {
			t.Errorf("%+v: %s", d, d.Denial(s.request()))
		}
	})
	t.Run("11 the statement that decided", func(t *testing.T) {
		d := situation{key: named("Allow", root), identity: allowKMS + "," + `{"Sid":"No","Effect":"Deny","Action":"kms:*","Resource":"*"}`}.decide(t)
		if d.Statement == nil || d.Statement.Sid != "No" || d.Statement.Index != 1 || d.Statement.Line != 1 || d.Statement.Column < 60 {
			t.Errorf("%+v", d.Statement)
		}
	})
}
