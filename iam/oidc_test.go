package iam_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/iam"
)

func TestOIDCProvider(t *testing.T) {
	f := start(t)
	create := func(in iam.NewOIDCProvider) func(iam.Tx) error {
		return func(tx iam.Tx) error {
			_, err := f.CreateOIDCProvider(tx, in)
			return err
		}
	}
	f.do(create(iam.NewOIDCProvider{URL: "https://Idp.example.com:8443/realms/A", ClientIDs: []string{"a"}}))
	const arn = "arn:aws:iam::111122223333:oidc-provider/idp.example.com:8443/realms/A"
	f.refused("EntityAlreadyExists", "Provider with url https://idp.example.com:8443/realms/A already exists.",
		create(iam.NewOIDCProvider{URL: "https://idp.example.com:8443/realms/A"}))
	for _, bad := range []string{
		"http://idp.example.com", "idp.example.com", "https://", "https://u:p@idp.example.com", "https://idp.example.com?x=1",
		"https://idp.example.com/#f", "https://idp.example.com/a b", "https://" + strings.Repeat("a", 250) + ".example",
	} {
		f.refused("ValidationError", "Invalid Open ID Connect Provider URL", create(iam.NewOIDCProvider{URL: bad}))
	}
	many := make([]string, 101)
	for i := range many {
		many[i] = number(i)
	}
	f.refused("LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100",
		create(iam.NewOIDCProvider{URL: "https://b.example.com", ClientIDs: many}))
	f.refused("InvalidInput", "Thumbprint list must contain fewer than 5 entries.",
		create(iam.NewOIDCProvider{URL: "https://b.example.com", Thumbprints: many[:6]}))

	for range 2 {
		f.do(func(tx iam.Tx) error { return f.AddClientID(tx, arn, "b") })
	}
	f.do(func(tx iam.Tx) error { return f.RemoveClientID(tx, arn, "a") })
	f.do(func(tx iam.Tx) error { return f.RemoveClientID(tx, arn, "a") })
	if o, err := f.OIDCProvider(t.Context(), nil, arn); err != nil || !slices.Equal(o.ClientIDs, []string{"b"}) {
		t.Errorf("%+v %v", o, err)
	}
	f.do(func(tx iam.Tx) error { return f.DeleteOIDCProvider(tx, arn) })
	f.refused("NoSuchEntity", "OpenId connect Provider "+arn+" cannot be found.", func(tx iam.Tx) error { return f.DeleteOIDCProvider(tx, arn) })
	f.refused("NoSuchEntity", "OpenIDConnect Provider not found for arn "+arn, func(tx iam.Tx) error { return f.AddClientID(tx, arn, "b") })
}

func TestAccountAlias(t *testing.T) {
	f := start(t)
	create := func(name string) func(iam.Tx) error {
		return func(tx iam.Tx) error { return f.CreateAccountAlias(tx, name) }
	}
	f.do(create("first"))
	f.do(create("second"))
	f.refused("EntityAlreadyExists", "The account alias second already exists.", create("second"))
	f.view(func(tx iam.Tx) error {
		if name, err := f.AccountAlias(tx); err != nil || name != "second" {
			t.Errorf("%s %v", name, err)
		}
		return nil
	})
	f.refused("NoSuchEntity", "The account alias with name first cannot be found.", func(tx iam.Tx) error {
		return f.DeleteAccountAlias(tx, "first")
	})
	f.do(func(tx iam.Tx) error { return f.DeleteAccountAlias(tx, "second") })
}
