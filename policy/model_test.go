package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/policy"
)

func TestDecisionModel(t *testing.T) {
	t.Run("1.1 default deny", func(t *testing.T) {
		situation{}.want(t, policy.ImplicitlyDenied)
		situation{identityOnly: true}.want(t, policy.ImplicitlyDenied)
		if policy.Verdict(0) != policy.ImplicitlyDenied || (policy.Decision{}).Verdict == policy.Allowed {
			t.Error("a zero decision allows")
		}
	})
	t.Run("1.1 deny wins", func(t *testing.T) {
		situation{key: named("Allow", alice), identity: denyEncrypt}.want(t, policy.ExplicitlyDenied)
		situation{key: named("Allow", alice) + "," + named("Deny", root)}.want(t, policy.ExplicitlyDenied)
	})
	t.Run("1.3 order of reporting", func(t *testing.T) {
		s := situation{
			rcp: []string{`{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}`}, scp: []string{denyEncrypt},
			key: named("Deny", "*"), identity: denyEncrypt, boundary: denyEncrypt, session: denyEncrypt,
		}
		for _, drop := range []struct {
			layer policy.Layer
			from  func()
		}{
			{policy.ResourceGuardrails, func() { s.rcp = nil }},
			{policy.Guardrails, func() { s.scp = []string{allowAll} }},
			{policy.OnResource, func() { s.key = named("Allow", root) }},
			{policy.OnIdentity, func() { s.identity = allowKMS }},
			{policy.OnBoundary, func() { s.boundary = allowKMS }},
			{policy.OnSession, func() { s.session = allowKMS }},
		} {
			s.wantBy(t, policy.ExplicitlyDenied, drop.layer)
			drop.from()
		}
		s.want(t, policy.Allowed)
	})
	t.Run("1.3 what is missing", func(t *testing.T) {
		s := situation{scp: []string{allowS3}, boundary: allowS3, session: allowS3}
		for _, grant := range []struct {
			layer policy.Layer
			to    func()
		}{
			{policy.Guardrails, func() { s.scp = []string{allowAll} }},
			{policy.OnResource, func() { s.key = named("Allow", root) }},
			{policy.OnIdentity, func() { s.identity = allowKMS }},
			{policy.OnBoundary, func() { s.boundary = allowKMS }},
			{policy.OnSession, func() { s.session = allowKMS }},
		} {
			s.wantBy(t, policy.ImplicitlyDenied, grant.layer)
			grant.to()
		}
		s.want(t, policy.Allowed)
	})
	t.Run("1.4 what cannot be read denies", func(t *testing.T) {
		r, in := situation{key: named("Allow", root), identity: allowKMS}.ask(t)
		for _, bad := range []*policy.Policy{nil, policy.Unreadable("gone", policy.Identity)} {
			with := *in
			with.Identity = append([]*policy.Policy{bad}, in.Identity...)
			if d := policy.Decide(r, &with); d.Verdict != policy.ExplicitlyDenied || d.Layer != policy.OnIdentity {
				t.Errorf("%v: %v", bad, d)
			}
			if m := policy.Explain(r, &with); len(m) != 3 || m[1].Statement.Effect != policy.Deny {
				t.Errorf("explained as %v", m)
			}
		}
		with := *in
		with.Boundary = policy.Unreadable("gone", policy.Boundary)
		if d := policy.Decide(r, &with); d.Verdict != policy.ExplicitlyDenied {
			t.Errorf("unreadable boundary: %v", d)
		}
		if _, err := policy.Load("p", []byte(`{"Version":"2012-10-17","Statement":[`), policy.Identity); err == nil {
			t.Error("half a policy was loaded")
		}
	})
	t.Run("1.4 a Deny that cannot be judged denies", func(t *testing.T) {
		situation{key: named("Allow", alice), identity: statement("Deny", condition("StringFoo", "a", `"b"`))}.want(t, policy.ExplicitlyDenied)
		situation{key: named("Allow", alice), identity: statement("Deny", `"Principal":"*"`)}.want(t, policy.ExplicitlyDenied)
		situation{key: named("Allow", alice), identity: `{"Effect":"Deny","Resource":"*"}`}.want(t, policy.ExplicitlyDenied)
	})
	t.Run("1.5 root user", func(t *testing.T) {
		situation{caller: root, action: "iam:CreateUser", resource: alice, identityOnly: true}.want(t, policy.Allowed)
		situation{caller: root, action: "kms:CreateKey", resource: "*", identityOnly: true}.want(t, policy.Allowed)
		situation{caller: root, action: "kms:CreateKey", resource: "*", identityOnly: true, scp: []string{allowS3}}.wantBy(t, policy.ImplicitlyDenied, policy.Guardrails)
		situation{caller: root, key: named("Allow", alice)}.wantBy(t, policy.ImplicitlyDenied, policy.OnResource)
		situation{caller: root, key: named("Allow", root)}.want(t, policy.Allowed)
		situation{caller: root, key: named("Allow", account)}.want(t, policy.Allowed)
		situation{caller: root, key: named("Allow", root) + "," + named("Deny", root)}.want(t, policy.ExplicitlyDenied)
		situation{caller: "arn:aws:iam::444455556666:root", action: "iam:CreateUser", resource: alice, identityOnly: true}.want(t, policy.ImplicitlyDenied)
	})
}

func TestPrincipals(t *testing.T) {
	t.Run("2.1 facets", func(t *testing.T) {
		situation{caller: session, key: named("Allow", session)}.want(t, policy.Allowed)
		situation{caller: session, key: named("Allow", ops)}.want(t, policy.Allowed)
		situation{caller: guest, key: named("Allow", guest)}.want(t, policy.Allowed)
		situation{caller: session, key: named("Allow", session+"2")}.want(t, policy.ImplicitlyDenied)
	})
	t.Run("2.1 web identity", func(t *testing.T) {
		provider := "arn:aws:iam::" + account + ":oidc-provider/id.example"
		web := &policy.Principal{Kind: policy.WebIdentity, Account: account, Provider: provider}
		trust := func(effect, principal string) string {
			return `{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"sts:AssumeRoleWithWebIdentity"}`
		}
		federated := trust("Allow", `{"Federated":"`+provider+`"}`)
		s := situation{who: web, action: "sts:AssumeRoleWithWebIdentity", resource: ops, trust: federated}
		s.want(t, policy.Allowed)
		s.trust = trust("Allow", `"*"`)
		s.want(t, policy.ImplicitlyDenied)
		s.trust = federated + "," + trust("Deny", `"*"`)
		s.want(t, policy.ExplicitlyDenied)
		s.trust, s.who = federated, &policy.Principal{Kind: policy.WebIdentity, Account: account, Provider: provider + "x"}
		s.want(t, policy.ImplicitlyDenied)
	})
	t.Run("2.1 anonymous", func(t *testing.T) {
		nobody := &policy.Principal{}
		situation{who: nobody, key: named("Allow", "*"), identity: allowAll}.want(t, policy.ImplicitlyDenied)
		situation{who: nobody, identity: allowAll, identityOnly: true}.want(t, policy.ImplicitlyDenied)
		situation{who: nobody, key: named("Deny", "*")}.want(t, policy.ExplicitlyDenied)
	})
	t.Run("2.2 principal element", func(t *testing.T) {
		star := `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}`
		situation{key: star}.want(t, policy.Allowed)
		situation{key: named("Allow", "*")}.want(t, policy.Allowed)
		situation{key: named("Allow", account), identity: allowKMS}.want(t, policy.Allowed)
		situation{key: named("Allow", strings.ToUpper(alice[13:]))}.want(t, policy.ImplicitlyDenied)
		for _, bad := range []string{
			"arn:aws:iam::111122223333:user/*", "arn:aws:iam::111122223333:group/admins", "arn:aws:iam::111122223333:user/",
			"1111", "alice", "", "AIDAEXAMPLE", "arn:aws:iam::1:user/a", "arn:aws:sts::111122223333:assumed-role/ops", "arn:aws:iam::*:root",
		} {
			situation{key: named("Allow", bad), identity: allowAll}.want(t, policy.ImplicitlyDenied)
			_, err := policy.Parse([]byte(document(named("Allow", bad))), policy.Key)
			if e, ok := errors.AsType[*policy.Error](err); !ok || e.Reason != "Policy contains a statement with one or more invalid principals." || e.Code() != "MalformedPolicyDocumentException" {
				t.Errorf("%q: %v", bad, err)
			}
			_, err = policy.Parse([]byte(document(`{"Effect":"Allow","Principal":{"AWS":"`+bad+`"},"Action":"sts:AssumeRole"}`)), policy.Trust)
			if e, ok := errors.AsType[*policy.Error](err); !ok || e.Reason != `Invalid principal in policy: "AWS":"`+bad+`"` {
				t.Errorf("%q: %v", bad, err)
			}
		}
		for _, good := range []string{"*", account, root, alice, ops, session, guest, "arn:aws:iam::111122223333:role/a/b/c"} {
			if _, err := policy.Parse([]byte(document(named("Allow", good))), policy.Key); err != nil {
				t.Errorf("%q: %v", good, err)
			}
		}
	})
	t.Run("2.3 classes", func(t *testing.T) {
		for _, c := range []struct {
			caller, entry string
			want          policy.Class
		}{
			{alice, alice, policy.Exact}, {alice, "*", policy.Exact}, {alice, root, policy.Account}, {alice, account, policy.Account},
			{session, session, policy.Exact}, {session, ops, policy.Parent}, {session, root, policy.Account},
			{guest, "arn:aws:iam::111122223333:user/federator", policy.Parent}, {root, root, policy.Exact}, {root, account, policy.Exact},
			{alice, bob, policy.NoMatch}, {alice, other, policy.NoMatch},
		} {
			m := policy.Explain(situation{caller: c.caller, key: named("Allow", c.entry)}.ask(t))
			if got := class(m); got != c.want {
				t.Errorf("%s named by %s: class %v, want %v", c.caller, c.entry, got, c.want)
			}
		}
	})
	t.Run("2.4 binding", testBinding)
	t.Run("2.5 NotPrincipal", testNotPrincipal)
}

func class(m []policy.Match) policy.Class {
	if len(m) == 0 {
		return policy.NoMatch
	}
	return m[0].Class
}

func testBinding(t *testing.T) {
	written := "{\"Statement\": {\"Effect\":\"Allow\",\n \"Principal\": {\"AWS\": [\"" + alice + "\", \"*\", \"" + account + "\"], \"Service\":\"x.amazonaws.com\"}, \"Action\":\"kms:*\",\"Resource\":\"" + alice + "\"}}"
	p, err := policy.Parse([]byte(written), policy.Key)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{alice: "AIDA1", "AIDA1": alice}
	name := func(s string) (string, bool) { id, ok := ids[s]; return id, ok }
	bound, err := p.Rebind(name)
	if err != nil || strings.Count(string(bound), alice) != 1 || !strings.Contains(string(bound), `["AIDA1", "*", "111122223333"]`) {
		t.Fatalf("bound as %s, %v", bound, err)
	}
	back, err := load(t, policy.Key, string(bound)).Rebind(name)
	if err != nil || string(back) != written {
		t.Errorf("shown as %s, %v", back, err)
	}
	if _, err := p.Rebind(func(string) (string, bool) { return "", false }); err == nil {
		t.Error("an unknown principal was bound")
	}
	// The one who was named matches by id under any name; a namesake does not.
	first := &policy.Principal{Kind: policy.User, Account: account, ARN: alice + "-renamed", ID: "AIDA1"}
	second := &policy.Principal{Kind: policy.User, Account: account, ARN: alice, ID: "AIDA2"}
	situation{who: first, key: named("Allow", "AIDA1")}.want(t, policy.Allowed)
	situation{who: second, key: named("Allow", "AIDA1")}.want(t, policy.ImplicitlyDenied)
	heir := &policy.Principal{Kind: policy.RoleSession, Account: account, ARN: session, ParentARN: ops, ParentID: "AROA1"}
	situation{who: heir, key: named("Allow", "AROA1")}.want(t, policy.Allowed)
	situation{who: heir, key: named("Allow", "AROA2")}.want(t, policy.ImplicitlyDenied)
}

func testNotPrincipal(t *testing.T) {
	except := func(effect, principal string) string {
		return `{"Effect":"` + effect + `","NotPrincipal":{"AWS":"` + principal + `"},"Action":"kms:*","Resource":"*"}`
	}
	open := named("Allow", "*") + ","
	situation{key: open + except("Deny", alice)}.want(t, policy.Allowed)
	situation{key: open + except("Deny", bob)}.want(t, policy.ExplicitlyDenied)
	situation{key: open + except("Deny", root)}.want(t, policy.ExplicitlyDenied)
	situation{key: open + except("Deny", root), caller: root}.want(t, policy.Allowed)
	situation{key: open + except("Deny", ops), caller: session}.want(t, policy.ExplicitlyDenied)
	situation{key: open + except("Deny", session), caller: session}.want(t, policy.Allowed)
	situation{key: open + except("Deny", alice), boundary: allowAll}.want(t, policy.ExplicitlyDenied)
	situation{key: except("Allow", bob)}.want(t, policy.ImplicitlyDenied)
	for statement, kind := range map[string]policy.Kind{
		except("Allow", bob): policy.Key, except("Deny", "*"): policy.Key, except("Deny", alice): policy.Identity,
		`{"Effect":"Deny","NotPrincipal":{"AWS":"` + alice + `"},"Action":"sts:AssumeRole"}`: policy.Trust,
	} {
		if _, err := policy.Parse([]byte(document(statement)), kind); err == nil {
			t.Errorf("%v accepted %s", kind, statement)
		}
	}
}
