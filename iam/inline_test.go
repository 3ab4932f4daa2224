package iam_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/iam"
)

func TestInline(t *testing.T) {
	f := start(t)
	f.user("bob")
	f.group("ops")
	f.role("deploy", trusting("*"))
	for _, h := range []iam.Holder{{Kind: iam.KindUser, Name: "Bob"}, {Kind: iam.KindGroup, Name: "ops"}, {Kind: iam.KindRole, Name: "deploy"}} {
		for _, name := range []string{"b", "A", "a", "c"} { // "a" is "A" by another writing
			f.do(func(tx iam.Tx) error { return f.PutInlinePolicy(tx, h, name, everything) })
		}
		f.view(func(tx iam.Tx) error {
			got, _, err := f.InlinePolicies(tx, h, iam.Page{})
			if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" || err != nil {
				t.Error(diff, err)
			}
			first, next, err := f.InlinePolicies(tx, h, iam.Page{Limit: 2})
			rest, _, err2 := f.InlinePolicies(tx, h, iam.Page{Marker: next})
			if len(first) != 2 || len(rest) != 1 || err != nil || err2 != nil {
				t.Error(first, rest, err, err2)
			}
			p, err := f.InlinePolicy(tx, h, "B")
			if err != nil || p.Document != everything || p.Name != "b" {
				t.Error(p, err)
			}
			return nil
		})
		f.do(func(tx iam.Tx) error { return f.DeleteInlinePolicy(tx, h, "B") })
		f.refused("NoSuchEntity", "The "+h.Kind+" policy with name b cannot be found.", func(tx iam.Tx) error { return f.DeleteInlinePolicy(tx, h, "b") })
	}
}

// TestInlineSize: all inline policies of an entity share one limit.
func TestInlineSize(t *testing.T) {
	f := start(t)
	f.role("deploy", trusting("*"))
	h := iam.Holder{Kind: iam.KindRole, Name: "deploy"}
	big := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:kms:::` + strings.Repeat("x", 51_100) + `"}}`
	f.do(func(tx iam.Tx) error { return f.PutInlinePolicy(tx, h, "one", big) })
	f.do(func(tx iam.Tx) error { return f.PutInlinePolicy(tx, h, "two", big) })
	f.do(func(tx iam.Tx) error { return f.PutInlinePolicy(tx, h, "TWO", big) }) // in place of it
	f.refused("LimitExceeded", "Maximum policy size of 102400 bytes exceeded for role deploy",
		func(tx iam.Tx) error { return f.PutInlinePolicy(tx, h, "three", big) })
}
