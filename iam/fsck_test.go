package iam_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/iam"
)

// TestFsck: each record that is lost, or altered, is missed.
func TestFsck(t *testing.T) {
	f := start(t)
	f.user("bob")
	f.group("ops")
	f.role("deploy", trusting("*"))
	c := f.key("bob")
	bob := iam.Holder{Kind: iam.KindUser, Name: "bob"}
	f.do(func(tx iam.Tx) error {
		u, err := f.User(t.Context(), tx, "bob")
		_, err2 := f.CreateOIDCProvider(tx, iam.NewOIDCProvider{URL: "https://idp.example.com"})
		return errors.Join(err, err2,
			f.AddUser(tx, "ops", "bob"),
			f.PutInlinePolicy(tx, bob, "p", everything),
			f.AttachPolicy(tx, bob, "arn:aws:iam::aws:policy/ReadOnlyAccess"),
			f.SetUserBoundary(tx, u, "arn:aws:iam::aws:policy/PowerUserAccess"),
			f.RevokeSessions(tx, u.ID))
	})
	f.Used(c.ID, "kms", "eu-1", f.now)
	f.must(f.Flush(t.Context()))

	undo := errors.New("undo")
	// damaged makes a change in a transaction that is thrown away.
	damaged := func(change func(tx iam.Tx) error) (problems []string) {
		if err := f.try(func(tx iam.Tx) error {
			f.must(change(tx))
			problems = iam.Fsck(tx)
			return undo
		}); !errors.Is(err, undo) {
			t.Fatal(err)
		}
		return problems
	}
	var paths []string
	f.view(func(tx iam.Tx) error {
		for path := range tx.Scan("iam", "") {
			paths = append(paths, path)
		}
		return nil
	})
	for _, path := range paths {
		lost := damaged(func(tx iam.Tx) error { return tx.Delete(path) })
		bare := strings.HasPrefix(path, "iam/inline/") || strings.HasPrefix(path, "iam/revoked/") ||
			strings.HasPrefix(path, "iam/oidc/") || strings.HasPrefix(path, "iam-last-use/") || path == "iam/root-access-key" ||
			strings.HasPrefix(path, "iam/user-key/:root/")
		if !bare && len(lost) == 0 { // nothing else says that the bare ones were there
			t.Errorf("loss of %s goes unseen", path)
		}
	}
	for _, path := range []string{
		"iam/user/bob", "iam/group/ops", "iam/role/deploy", "iam/access-key/" + c.ID, "iam/oidc/idp.example.com",
	} {
		if len(damaged(func(tx iam.Tx) error { return tx.Put(path, []byte(`{}`)) })) == 0 {
			t.Errorf("damage of %s goes unseen", path)
		}
	}
	for _, path := range []string{
		"iam/user-key/bob/AKIANONE", "iam/user-key/ghost/" + c.ID, "iam/member/ops/ghost", "iam/member-of/ghost/ops", "iam/revoked/AIDAAAAAAAAAAAAAAAAAA",
		"iam/inline/user/ghost/p", "iam/attached-to/arn:aws:iam::aws:policy/ReadOnlyAccess//user/ghost", "iam-last-use/AKIANONE",
		"iam/bounds/arn:aws:iam::aws:policy/ReadOnlyAccess//user/bob", "iam/attached/user/bob/arn:aws:iam::111122223333:policy/none",
	} {
		if len(damaged(func(tx iam.Tx) error { return tx.Put(path, nil) })) == 0 {
			t.Errorf("needless %s goes unseen", path)
		}
	}
}
