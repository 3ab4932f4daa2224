package authz_test

import (
	"context"
	"testing"

	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/store"
)

// grant makes a grant on the key and returns the key as it is then.
func (g *gated) grant(n kms.NewGrant) (key *kms.Key, made *kms.Grant) {
	g.t.Helper()
	g.Update(func(tx store.Tx) error {
		k, err := g.Service.KeyByID(context.Background(), tx, region, g.key)
		if err == nil {
			made, _, err = g.Service.CreateGrant(tx, k, n)
		}
		return err
	})
	key, err := g.Service.KeyByID(context.Background(), nil, region, g.key)
	if err != nil {
		g.t.Fatal(err)
	}
	return key, made
}

func scope(operations ...string) kms.GrantScope { return kms.GrantScope{Operations: operations} }

// TestGrants: section 7 at the gate, as far as no call can show it.
func TestGrants(t *testing.T) {
	g := start(t)
	gate := g.gate(authz.Guardrails{})
	ann := g.user("ann", `{"Effect":"Allow","Action":"iam:*","Resource":"*"}`)
	encrypt := func(k *kms.Key, facts ...authz.Fact) authz.Check {
		c := keyCheck("kms:Encrypt", k)
		c.Facts = facts
		return c
	}
	t.Run("7.1 the simulator sees grants", func(t *testing.T) {
		key, _ := g.grant(kms.NewGrant{Grantee: ann.ID, Issuer: testkit.Account, GrantScope: scope("Encrypt")})
		for alone, want := range map[bool]bool{false: true, true: false} {
			own, err := g.Identities.PoliciesOf(t.Context(), ann)
			if err != nil {
				t.Fatal(err)
			}
			s := &authz.Simulation{Request: *request(ann), Own: own, Alone: alone}
			out, err := gate.Simulate(t.Context(), s, encrypt(key))
			if err != nil || (out.Verdict.String() == "Allowed") != want {
				t.Errorf("alone %v: %+v, %v", alone, out, err)
			}
		}
	})
	t.Run("7.2 a caller of another account", func(t *testing.T) {
		guest := iam.Principal{Type: iam.TypeUser, Account: foreign, ARN: "arn:aws:iam::" + foreign + ":user/guest", ID: ann.ID}
		key, _ := g.grant(kms.NewGrant{Grantee: ann.ID, Issuer: testkit.Account, GrantScope: scope("Encrypt")})
		if d, err := gate.Decide(t.Context(), request(guest), encrypt(key)); err == nil && d.Allowed {
			t.Error("allowed by the unique id of somebody here")
		}
	})
	t.Run("7.4 names of pairs have their case", func(t *testing.T) {
		g := start(t)
		ann := g.user("ann", `{"Effect":"Allow","Action":"iam:*","Resource":"*"}`)
		n := kms.NewGrant{Grantee: ann.ID, Issuer: testkit.Account, GrantScope: scope("Encrypt")}
		n.Equals = map[string]string{"Dept": "hr"}
		key, _ := g.grant(n)
		for name, want := range map[string]bool{"Dept": true, "dept": false} {
			d, err := g.gate(authz.Guardrails{}).Decide(t.Context(), request(ann),
				encrypt(key, authz.Fact{Key: "kms:EncryptionContext:" + name, Values: []string{"hr"}}))
			if err != nil || d.Allowed != want {
				t.Errorf("%s: %+v, %v", name, d, err)
			}
		}
	})
	t.Run("7.7 the account that retires", func(t *testing.T) {
		key, made := g.grant(kms.NewGrant{
			Grantee: "arn:aws:sts::111122223333:federated-user/x", Retiring: "arn:aws:iam::111122223333:root", Issuer: foreign, GrantScope: scope("Encrypt"),
		})
		check := keyCheck("kms:RetireGrant", key)
		check.Retires = made
		may := g.user("bob", `{"Effect":"Allow","Action":"kms:RetireGrant","Resource":"*"}`)
		for who, want := range map[*iam.Principal]bool{&ann: false, &may: true, new(iam.Root(testkit.Account)): true} {
			if d, err := gate.Decide(t.Context(), request(*who), check); err != nil || d.Allowed != want {
				t.Errorf("%s: %+v, %v", who.ARN, d, err)
			}
		}
		check.Retires = &kms.Grant{Grantee: made.Grantee, Issuer: foreign}
		if d, err := gate.Decide(t.Context(), request(may), check); err != nil || d.Allowed {
			t.Errorf("a grant of another account: %+v, %v", d, err)
		}
	})
}
