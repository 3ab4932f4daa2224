package iam_test

import (
	"errors"
	"testing"

	"github.com/keyd-hsm/keyd/iam"
)

// FuzzMarker: a marker made up gives an error of the client's or a page.
func FuzzMarker(f *testing.F) {
	fx := start(f)
	fx.user("bob")
	fx.user("eve")
	fx.view(func(tx iam.Tx) error {
		_, next, err := fx.ListUsers(tx, "", iam.Page{Limit: 1})
		f.Add(next)
		return err
	})
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, marker string) {
		_ = fx.db.View(t.Context(), func(tx iam.Tx) error {
			users, _, err := fx.ListUsers(tx, "", iam.Page{Marker: marker})
			if refusal := (*iam.Error)(nil); err != nil && (!errors.As(err, &refusal) || users != nil) {
				t.Errorf("%v %v", users, err)
			}
			return nil
		})
	})
}

// FuzzPrincipal: what is resolved is nobody, or reads as itself again.
func FuzzPrincipal(f *testing.F) {
	fx := start(f)
	bob := fx.user("bob")
	for _, s := range []string{bob.ARN(), bob.ID, "arn:aws:iam::111122223333:root", "arn:aws:sts::111122223333:assumed-role/a/b", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, principal string) {
		_ = fx.db.View(t.Context(), func(tx iam.Tx) error {
			id, err := fx.ResolvePrincipal(tx, principal)
			if errors.Is(err, iam.ErrNoPrincipal) {
				return nil
			}
			if err != nil {
				t.Fatal(err)
			}
			arn, err := fx.PrincipalARN(tx, id)
			if err != nil || arn != principal && id != principal {
				t.Errorf("%q: %q %q %v", principal, id, arn, err)
			}
			return nil
		})
	})
}

// FuzzIssuer: a provider that is made is found again under its ARN.
func FuzzIssuer(f *testing.F) {
	fx := start(f)
	for _, s := range []string{"https://idp.example.com", "https://[::1]:8443/a%20b", "https://x/../y", "http://x"} {
		f.Add(s)
	}
	undo := errors.New("undo")
	f.Fuzz(func(t *testing.T, url string) {
		err := fx.try(func(tx iam.Tx) error {
			o, err := fx.CreateOIDCProvider(tx, iam.NewOIDCProvider{URL: url})
			if refusal := (*iam.Error)(nil); errors.As(err, &refusal) {
				return undo
			}
			if err != nil {
				return err
			}
			if found, err := fx.OIDCProvider(t.Context(), tx, o.ARN()); err != nil || found.URL != o.URL {
				t.Errorf("%q: %v", o.ARN(), err)
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Error(err)
		}
	})
}
