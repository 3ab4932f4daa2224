package iam_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/iam"
)

func TestAttach(t *testing.T) {
	f := start(t)
	f.user("Bob")
	f.group("ops")
	f.role("deploy", trusting("*"))
	arn := f.policy("p", everything)
	for _, h := range []iam.Holder{{Kind: iam.KindUser, Name: "bob"}, {Kind: iam.KindGroup, Name: "Ops"}, {Kind: iam.KindRole, Name: "deploy"}} {
		f.do(func(tx iam.Tx) error {
			return errors.Join(f.AttachPolicy(tx, h, arn), f.AttachPolicy(tx, h, arn), f.AttachPolicy(tx, h, readOnly))
		})
		f.view(func(tx iam.Tx) error {
			got, next, err := f.Attached(tx, h, "", iam.Page{})
			want := []iam.AttachedPolicy{{Name: "ReadOnlyAccess", ARN: readOnly}, {Name: "p", ARN: arn}}
			if diff := cmp.Diff(want, got); diff != "" || next != "" || err != nil {
				t.Error(diff, next, err)
			}
			got, next, err = f.Attached(tx, h, "", iam.Page{Limit: 1})
			if len(got) != 1 || next == "" || err != nil {
				t.Error(got, next, err)
			}
			if got, _, err = f.Attached(tx, h, "", iam.Page{Limit: 1, Marker: next}); len(got) != 1 || got[0].ARN != arn || err != nil {
				t.Error(got, err)
			}
			if got, _, err = f.Attached(tx, h, "/x/", iam.Page{}); len(got) != 0 || err != nil {
				t.Error(got, err)
			}
			return nil
		})
	}
	f.view(func(tx iam.Tx) error {
		p, err := f.Policy(t.Context(), tx, arn)
		f.must(err)
		if attached, bounds := p.Used(tx); attached != 3 || bounds != 0 {
			t.Error(attached, bounds)
		}
		return nil
	})
	bob := iam.Holder{Kind: iam.KindUser, Name: "bob"}
	f.refused("NoSuchEntity", "Policy "+arn+"x does not exist or is not attachable.", func(tx iam.Tx) error { return f.AttachPolicy(tx, bob, arn+"x") })
	f.refused("InvalidInput", "ARN arn:aws:iam::1:none is not valid.", func(tx iam.Tx) error { return f.AttachPolicy(tx, bob, "arn:aws:iam::1:none") })
	f.do(func(tx iam.Tx) error { return f.DetachPolicy(tx, bob, arn) })
	f.refused("NoSuchEntity", "Policy "+arn+" was not found.", func(tx iam.Tx) error { return f.DetachPolicy(tx, bob, arn) })
}

func TestAttachQuota(t *testing.T) {
	f := start(t)
	f.user("bob")
	bob := iam.Holder{Kind: iam.KindUser, Name: "bob"}
	f.do(func(tx iam.Tx) error {
		for i := range 100 {
			p, err := f.CreatePolicy(tx, iam.NewPolicy{Name: "p" + number(i), Document: everything})
			if err := errors.Join(err, f.AttachPolicy(tx, bob, p.ARN())); err != nil {
				return err
			}
		}
		return nil
	})
	f.refused("LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 100", func(tx iam.Tx) error { return f.AttachPolicy(tx, bob, readOnly) })
}

func TestEntitiesForPolicy(t *testing.T) {
	f := start(t)
	arn := f.policy("p", everything)
	u, r := f.user("bob"), f.role("deploy", trusting("*"))
	f.group("ops")
	f.do(func(tx iam.Tx) error {
		return errors.Join(
			f.AttachPolicy(tx, iam.Holder{Kind: iam.KindUser, Name: "bob"}, arn), f.SetUserBoundary(tx, u, arn),
			f.AttachPolicy(tx, iam.Holder{Kind: iam.KindGroup, Name: "ops"}, arn), f.SetRoleBoundary(tx, r, arn))
	})
	for _, c := range []struct {
		filter iam.EntityFilter
		want   string
	}{
		{iam.EntityFilter{}, "ops bob deploy"},
		{iam.EntityFilter{NoBounded: true}, "ops bob"},
		{iam.EntityFilter{NoAttached: true}, "deploy bob"},
		{iam.EntityFilter{Kind: iam.KindUser}, "bob"},
		{iam.EntityFilter{PathPrefix: "/none/"}, ""},
	} {
		for _, limit := range []int{1, 0} {
			var got []string
			page := iam.Page{Limit: limit}
			for more := true; more; more = page.Marker != "" {
				f.view(func(tx iam.Tx) error {
					found, next, err := f.EntitiesForPolicy(tx, arn, c.filter, page)
					for _, e := range found {
						got = append(got, e.Name)
					}
					page.Marker = next
					return err
				})
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("%+v: %q, want %q", c.filter, got, c.want)
			}
		}
	}
}
