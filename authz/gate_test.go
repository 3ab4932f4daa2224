package authz_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/policy"
	"github.com/keyd-hsm/keyd/store"
)

const (
	region  = "eu-1"
	foreign = "444455556666"
	all     = `{"Effect":"Allow","Action":"*","Resource":"*"}`
)

// gated is a gate over a real appliance's identities, and one key.
type gated struct {
	*testkit.Kit
	t   testing.TB
	key string
}

func start(t testing.TB) *gated {
	kit := testkit.Start(t)
	return &gated{Kit: kit, t: t, key: kit.NewKey(region)}
}

func (g *gated) gate(rails authz.Guardrails) *authz.Gate {
	return authz.New(testkit.Account, g.Identities, g.Service, rails)
}

func document(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

// user makes a user who may do what statements say.
func (g *gated) user(name, statements string, tags ...iam.Tag) iam.Principal {
	g.t.Helper()
	u, _ := g.UserWithKey(name, tags...)
	g.Update(func(tx store.Tx) error {
		return g.Identities.PutInlinePolicy(tx, iam.Holder{Kind: iam.KindUser, Name: name}, "p", document(statements))
	})
	return iam.Principal{Type: iam.TypeUser, Account: testkit.Account, ARN: u.ARN(), ID: u.ID, Name: name, Tags: u.Tags}
}

// keySays puts a key policy and returns the key as it is then.
func (g *gated) keySays(statements string) *kms.Key {
	g.t.Helper()
	var k *kms.Key
	g.Update(func(tx store.Tx) error {
		old, err := g.Service.KeyByID(context.Background(), tx, region, g.key)
		if err == nil {
			k, err = g.Service.PutKeyPolicy(tx, old, document(statements))
		}
		return err
	})
	return k
}

func keyCheck(action string, k *kms.Key) authz.Check {
	return authz.Check{Action: action, Resource: k.ARN(), Key: k}
}

func request(p iam.Principal) *authz.Request {
	return &authz.Request{
		Caller: p, Region: region, Time: time.Unix(1_780_000_000, 0), Peer: netip.MustParseAddr("10.1.2.3"),
		TLS: true, UserAgent: "aws-cli/2.9.19", Referer: "https://example.com/",
	}
}

// TestGate: what the gate gathers, and what it makes of what it cannot.
func TestGate(t *testing.T) {
	g := start(t)
	gate := g.gate(authz.Guardrails{})
	root := iam.Root(testkit.Account)
	decide := func(p iam.Principal, checks ...authz.Check) (authz.Decision, error) {
		return gate.Decide(t.Context(), request(p), checks...)
	}
	list := authz.Check{Action: "kms:ListKeys", Resource: "*"}
	t.Run("1.1 no check is no answer", func(t *testing.T) {
		if d, err := decide(root); err == nil || d.Allowed {
			t.Errorf("%+v, %v", d, err)
		}
	})
	t.Run("1.2 one request for every policy", func(t *testing.T) {
		condition := `,"Condition":{"StringEquals":{"aws:PrincipalTag/dept":"hr","kms:RequestAlias":"alias/a"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`
		who := g.user("ann", `{"Effect":"Allow","Action":"*","Resource":"*"`+condition, iam.Tag{Key: "dept", Value: "hr"})
		key := g.keySays(`{"Effect":"Allow","Principal":{"AWS":"` + testkit.Account + `"},"Action":"*","Resource":"*"` + condition)
		rail, err := policy.Load("scp", []byte(document(`{"Effect":"Allow","Action":"*","Resource":"*"`+condition)), policy.SCP)
		if err != nil {
			t.Fatal(err)
		}
		check := keyCheck("kms:Encrypt", key)
		limited := g.gate(authz.Guardrails{SCP: [][]*policy.Policy{{rail}}})
		if d, err := limited.Decide(t.Context(), request(who), check); err != nil || d.Allowed {
			t.Errorf("without the alias: %+v, %v", d, err)
		}
		check.Facts = []authz.Fact{{Key: "kms:RequestAlias", Values: []string{"alias/a"}}}
		if d, err := limited.Decide(t.Context(), request(who), check); err != nil || !d.Allowed {
			t.Errorf("with it: %+v, %v", d, err)
		}
	})
	t.Run("1.4 what cannot be read denies", func(t *testing.T) { testUnreadable(t, g) })
	t.Run("3.7 the first refusal decides", func(t *testing.T) {
		d, err := decide(root, list, keyCheck("kms:Encrypt", g.keySays(`{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`)), list)
		if err != nil || d.Allowed || d.Check.Action != "kms:Encrypt" || !strings.HasSuffix(d.Reason, "because no resource-based policy allows the kms:Encrypt action") {
			t.Errorf("%+v, %v", d, err)
		}
	})
	t.Run("3.8 another account", func(t *testing.T) {
		stranger := iam.Root(foreign)
		key := g.keySays(`{"Effect":"Allow","Principal":{"AWS":"` + foreign + `"},"Action":"kms:*","Resource":"*"}`)
		for action, want := range map[string]bool{
			"kms:Encrypt": true, "kms:DescribeKey": true, "kms:DisableKey": false, "kms:PutKeyPolicy": false, "kms:GetKeyPolicy": false,
		} {
			if d, err := decide(stranger, keyCheck(action, key)); err != nil || d.Allowed != want {
				t.Errorf("%s: %+v, %v", action, d, err)
			}
		}
		if d, err := decide(stranger, list); err != nil || d.Allowed {
			t.Errorf("without a resource: %+v, %v", d, err)
		}
		somebody := iam.Principal{Type: iam.TypeUser, Account: foreign, ARN: "arn:aws:iam::" + foreign + ":user/bob", ID: "AIDAEXAMPLE", Name: "bob"}
		if d, err := decide(somebody, keyCheck("kms:Encrypt", key)); err == nil || d.Allowed {
			t.Errorf("a user whom nobody here knows: %+v, %v", d, err)
		}
	})
}

// testUnreadable: each policy that applies is spoilt in the store, behind the
// back of all that checks.
func testUnreadable(t *testing.T, g *gated) {
	gate := g.gate(authz.Guardrails{})
	who := g.user("bob", all)
	ask := func() bool {
		d, err := gate.Decide(t.Context(), request(who), authz.Check{Action: "kms:ListKeys", Resource: "*"})
		if d.Allowed && err != nil {
			t.Error("allowed with an error")
		}
		return d.Allowed
	}
	if !ask() {
		t.Fatal("not allowed at first")
	}
	limit := iam.Session{Policies: []string{document(all)}, Issued: time.Unix(1, 0)}
	who.Session = &limit
	if !ask() {
		t.Error("a session policy that is sound")
	}
	limit.Policies = append(limit.Policies, `{"Statement":`)
	if ask() {
		t.Error("a session policy that cannot be read")
	}
	who.Session = &iam.Session{PolicyARNs: []string{"arn:aws:iam::" + testkit.Account + ":policy/none"}}
	if ask() {
		t.Error("a managed session policy that is not there")
	}
	who.Session = nil
	for _, broken := range []string{`{"Statement":`, `{"Statement":{"Effect":"Perhaps","Action":"kms:List*","Resource":"*"}}`, ``} {
		restore := g.spoil("iam/inline/user/bob/p", map[string]any{"v": 1, "name": "p", "document": broken})
		if ask() {
			t.Errorf("an identity policy %q", broken)
		}
		restore()
	}
	if !ask() {
		t.Error("not allowed once it is mended")
	}
	role := &iam.Role{Name: "r", Path: "/", Account: testkit.Account, TrustBound: `{"Statement":`}
	d, err := gate.Decide(t.Context(), request(g.user("eve", all)), authz.Check{Action: "sts:AssumeRole", Resource: role.ARN(), Trust: role})
	if err != nil || d.Allowed {
		t.Errorf("a trust policy: %+v, %v", d, err)
	}
}

// spoil puts a record in place of another.
func (g *gated) spoil(path string, record any) (restore func()) {
	g.t.Helper()
	var old []byte
	g.Update(func(tx store.Tx) error {
		before, err := tx.Get(path)
		if err != nil {
			return err
		}
		old = slices.Clone(before)
		b, err := json.Marshal(record)
		if err != nil {
			return err
		}
		return tx.Put(path, b)
	})
	return func() { g.Update(func(tx store.Tx) error { return tx.Put(path, old) }) }
}
