package iam_test

import (
	"errors"
	"testing"

	"github.com/keyd-hsm/keyd/iam"
)

func TestBoundary(t *testing.T) {
	f := start(t)
	arn := f.policy("limit", everything)
	f.user("bob")
	f.role("deploy", trusting("*"))
	user := func(to string) func(iam.Tx) error {
		return func(tx iam.Tx) error {
			u, err := f.User(t.Context(), tx, "bob")
			return errors.Join(err, f.SetUserBoundary(tx, u, to))
		}
	}
	role := func(to string) func(iam.Tx) error {
		return func(tx iam.Tx) error {
			r, err := f.Role(t.Context(), tx, "deploy")
			return errors.Join(err, f.SetRoleBoundary(tx, r, to))
		}
	}
	f.refused("NoSuchEntity", "The user with name bob has no permissions boundary.", user(""))
	f.refused("NoSuchEntity", "The role with name deploy has no permissions boundary.", role(""))
	for _, set := range []func(string) func(iam.Tx) error{user, role} {
		f.refused("NoSuchEntity", "Scope ARN: "+arn+"x does not exist or is not attachable.", set(arn+"x"))
		f.do(set(arn))
		f.do(set(readOnly)) // and the index follows, as the fixture's check at the end says
		f.do(set(arn))
	}
	u, err := f.User(t.Context(), nil, "bob")
	f.must(err)
	r, err := f.Role(t.Context(), nil, "deploy")
	f.must(err)
	f.view(func(tx iam.Tx) error {
		p, err := f.Policy(t.Context(), tx, arn)
		f.must(err)
		if attached, bounds := p.Used(tx); u.Boundary != arn || r.Boundary != arn || attached != 0 || bounds != 2 {
			t.Error(u.Boundary, r.Boundary, attached, bounds)
		}
		return nil
	})
	f.do(user(""))
	f.do(role(""))
	f.do(func(tx iam.Tx) error { return f.DeletePolicy(tx, arn) })
}
