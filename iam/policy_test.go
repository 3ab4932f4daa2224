package iam_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/iam"
)

const (
	nothingAllowed = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`
	readOnly       = "arn:aws:iam::aws:policy/ReadOnlyAccess"
)

// policy makes a managed policy and returns its ARN.
func (f *fixture) policy(name, document string) string {
	f.t.Helper()
	var p *iam.ManagedPolicy
	f.do(func(tx iam.Tx) (err error) {
		p, err = f.CreatePolicy(tx, iam.NewPolicy{Name: name, Document: document})
		return err
	})
	return p.ARN()
}

// version adds a version to a policy and returns its id.
func (f *fixture) version(arn, document string, makeDefault bool) string {
	f.t.Helper()
	var v *iam.PolicyVersion
	f.do(func(tx iam.Tx) (err error) {
		v, err = f.CreatePolicyVersion(tx, arn, document, makeDefault)
		return err
	})
	return v.ID
}

func TestPolicyNames(t *testing.T) {
	f := start(t)
	f.do(func(tx iam.Tx) error {
		p, err := f.CreatePolicy(tx, iam.NewPolicy{Name: "Team", Path: "/a/b/", Document: everything, Description: "d"})
		if err == nil && (p.ARN() != "arn:aws:iam::111122223333:policy/a/b/Team" || !strings.HasPrefix(p.ID, "ANPA") || p.Default != "v1") {
			t.Errorf("%+v", p)
		}
		return err
	})
	f.refused("EntityAlreadyExists", "A policy called TEAM already exists. Duplicate names are not allowed.", func(tx iam.Tx) error {
		_, err := f.CreatePolicy(tx, iam.NewPolicy{Name: "TEAM", Document: everything})
		return err
	})
	for arn, want := range map[string]string{
		"arn:aws:iam::111122223333:policy/Team":      "NoSuchEntity: Policy arn:aws:iam::111122223333:policy/Team was not found.",
		"arn:aws:iam::111122223333:policy/a/b/team":  "NoSuchEntity: Policy arn:aws:iam::111122223333:policy/a/b/team was not found.",
		"arn:aws:iam::aws:policy/None":               "NoSuchEntity: Policy arn:aws:iam::aws:policy/None was not found.",
		"arn:aws:iam::999900001111:policy/a/b/Team":  "InvalidInput: ARN arn:aws:iam::999900001111:policy/a/b/Team is not valid.",
		"arn:aws:iam::111122223333:user/a/b/Team":    "InvalidInput: ARN arn:aws:iam::111122223333:user/a/b/Team is not valid.",
		"arn:aws:iam::111122223333:policy/":          "InvalidInput: ARN arn:aws:iam::111122223333:policy/ is not valid.",
		"arn:aws:iam::111122223333:policy/a//b/Team": "InvalidInput: ARN arn:aws:iam::111122223333:policy/a//b/Team is not valid.",
	} {
		if _, err := f.Policy(t.Context(), nil, arn); err == nil || err.Error() != want {
			t.Errorf("%s: %v", arn, err)
		}
	}
	for _, bad := range []iam.NewPolicy{
		{Name: "a/b", Document: everything}, {Name: "p", Path: "/a//b/", Document: everything}, {Name: "p", Path: "a", Document: everything},
	} {
		if err := f.try(func(tx iam.Tx) error { _, err := f.CreatePolicy(tx, bad); return err }); err == nil {
			t.Errorf("%+v taken", bad)
		}
	}
}

func TestPolicyDocuments(t *testing.T) {
	f := start(t)
	arn := f.policy("p", everything)
	bob := f.user("bob")
	h := iam.Holder{Kind: iam.KindUser, Name: bob.Name}
	long := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:kms:::` + strings.Repeat("x", 20_480) + `"}}`
	wide := strings.Replace(everything, "{", "{"+strings.Repeat(" ", 30_000), 1)
	for _, c := range []struct{ document, code, message string }{
		{`{`, "MalformedPolicyDocument", "Syntax errors in policy."},
		{`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"x","Resource":"*"}}`, "MalformedPolicyDocument",
			"Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{strings.Repeat(" ", 131_073), "LimitExceeded", "Cannot exceed quota for PolicySize: 20480"},
		{long, "LimitExceeded", "Cannot exceed quota for PolicySize: 20480"},
	} {
		f.refused(c.code, c.message, func(tx iam.Tx) error {
			_, err := f.CreatePolicy(tx, iam.NewPolicy{Name: "bad", Document: c.document})
			return err
		})
		f.refused(c.code, c.message, func(tx iam.Tx) error {
			_, err := f.CreatePolicyVersion(tx, arn, c.document, true)
			return err
		})
		if c.document != long { // inline policies have a limit together
			f.refused(c.code, c.message, func(tx iam.Tx) error { return f.PutInlinePolicy(tx, h, "bad", c.document) })
		}
	}
	f.version(arn, wide, true) // white space does not count
}

func TestPolicyVersions(t *testing.T) {
	f := start(t)
	arn := f.policy("p", everything)
	for _, want := range []string{"v2", "v3", "v4", "v5"} {
		if got := f.version(arn, nothingAllowed, want == "v3"); got != want {
			t.Errorf("made %s, want %s", got, want)
		}
	}
	f.refused("LimitExceeded", "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
		func(tx iam.Tx) error { _, err := f.CreatePolicyVersion(tx, arn, everything, false); return err })
	f.refused("DeleteConflict", "Cannot delete the default version of a policy.",
		func(tx iam.Tx) error { return f.DeletePolicyVersion(tx, arn, "v3") })
	f.refused("NoSuchEntity", "Policy "+arn+" version v9 does not exist or is not attachable.",
		func(tx iam.Tx) error { return f.DeletePolicyVersion(tx, arn, "v9") })
	f.refused("NoSuchEntity", "Policy "+arn+"x version v1 does not exist or is not attachable.",
		func(tx iam.Tx) error { return f.SetDefaultPolicyVersion(tx, arn+"x", "v1") })
	f.do(func(tx iam.Tx) error { return f.DeletePolicyVersion(tx, arn, "v5") })
	if got := f.version(arn, everything, false); got != "v6" { // numbers are not used again
		t.Errorf("made %s", got)
	}
	f.now = f.now.Add(time.Hour)
	f.do(func(tx iam.Tx) error { return f.SetDefaultPolicyVersion(tx, arn, "v1") })
	f.view(func(tx iam.Tx) error {
		var ids []string
		var page iam.Page
		for {
			p, found, next, err := f.PolicyVersions(tx, arn, page)
			f.must(err)
			for _, v := range found {
				ids = append(ids, v.ID)
			}
			if p.Default != "v1" || !p.Updated.Equal(f.now) {
				t.Errorf("%+v", p)
			}
			if next == "" {
				break
			}
			page = iam.Page{Limit: 2, Marker: next}
		}
		if diff := cmp.Diff([]string{"v6", "v4", "v3", "v2", "v1"}, ids); diff != "" {
			t.Error(diff)
		}
		return nil
	})
}

func TestDeletePolicy(t *testing.T) {
	f := start(t)
	arn := f.policy("p", everything)
	f.group("ops")
	u := f.user("bob")
	ops := iam.Holder{Kind: iam.KindGroup, Name: "ops"}
	f.do(func(tx iam.Tx) error { return errors.Join(f.AttachPolicy(tx, ops, arn), f.SetUserBoundary(tx, u, arn)) })
	f.version(arn, everything, true)
	remove := func(tx iam.Tx) error { return f.DeletePolicy(tx, arn) }
	const inUse = "Cannot delete a policy attached to entities."
	f.refused("DeleteConflict", inUse, remove)
	f.do(func(tx iam.Tx) error { return f.DetachPolicy(tx, ops, arn) })
	f.refused("DeleteConflict", inUse, remove)
	f.do(func(tx iam.Tx) error {
		u, err := f.User(t.Context(), tx, "bob")
		return errors.Join(err, f.SetUserBoundary(tx, u, ""))
	})
	f.refused("DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "+
		"The default version is deleted with the policy.", remove)
	f.do(func(tx iam.Tx) error { return f.DeletePolicyVersion(tx, arn, "v1") })
	f.do(remove)
	f.refused("NoSuchEntity", "Policy "+arn+" was not found.", remove)
	if f.policy("p", everything) != arn { // and the name is free again
		t.Error("another ARN")
	}
}

func TestPolicyTags(t *testing.T) {
	f := start(t)
	arn := f.policy("p", everything)
	f.do(func(tx iam.Tx) error {
		return f.TagPolicy(tx, arn, []iam.Tag{{Key: "a", Value: "1"}, {Key: "A", Value: "2"}})
	})
	f.do(func(tx iam.Tx) error { return f.TagPolicy(tx, arn, []iam.Tag{{Key: "b"}, {Key: "a", Value: "3"}}) })
	f.do(func(tx iam.Tx) error { return f.UntagPolicy(tx, arn, []string{"A", "none"}) })
	p, err := f.Policy(t.Context(), nil, arn)
	f.must(err)
	if diff := cmp.Diff(map[string]string{"a": "3", "b": ""}, p.Tags); diff != "" {
		t.Error(diff)
	}
	f.refused("InvalidInput", "Duplicate tag keys found.", func(tx iam.Tx) error {
		return f.TagPolicy(tx, arn, []iam.Tag{{Key: "x"}, {Key: "x"}})
	})
	f.refused("InvalidInput", "Tag keys beginning with 'aws:' are reserved for internal use.", func(tx iam.Tx) error {
		return f.TagPolicy(tx, arn, []iam.Tag{{Key: "AWS:x"}})
	})
	f.refused("LimitExceeded", "The number of tags has reached the maximum limit.", func(tx iam.Tx) error {
		var many []iam.Tag
		for i := range 49 {
			many = append(many, iam.Tag{Key: number(i)})
		}
		return f.TagPolicy(tx, arn, many)
	})
}

// TestShipped: the policies that come with the appliance are read like others,
// and nobody changes them.
func TestShipped(t *testing.T) {
	f := start(t)
	for _, name := range []string{
		"AdministratorAccess", "PowerUserAccess", "ReadOnlyAccess", "IAMFullAccess", "IAMReadOnlyAccess", "AWSKeyManagementServicePowerUser",
	} {
		arn := "arn:aws:iam::aws:policy/" + name
		f.view(func(tx iam.Tx) error {
			p, v, err := f.PolicyVersion(tx, arn, "v1")
			f.must(err)
			if !p.Shipped() || p.ARN() != arn || p.Description == "" || v.Document == "" {
				t.Errorf("%+v %+v", p, v)
			}
			_, all, _, err := f.PolicyVersions(tx, arn, iam.Page{})
			if err != nil || len(all) != 1 {
				t.Errorf("%v %v", all, err)
			}
			_, _, err = f.PolicyVersion(tx, arn, "v2")
			if err == nil {
				t.Errorf("%s has a version v2", name)
			}
			return nil
		})
		f.policy(name, everything) // the name is free in the account
		for what, change := range map[string]func(iam.Tx) error{
			"deleted":           func(tx iam.Tx) error { return f.DeletePolicy(tx, arn) },
			"tagged":            func(tx iam.Tx) error { return f.TagPolicy(tx, arn, nil) },
			"untagged":          func(tx iam.Tx) error { return f.UntagPolicy(tx, arn, nil) },
			"given a version":   func(tx iam.Tx) error { _, err := f.CreatePolicyVersion(tx, arn, everything, true); return err },
			"bereft of one":     func(tx iam.Tx) error { return f.DeletePolicyVersion(tx, arn, "v1") },
			"given another one": func(tx iam.Tx) error { return f.SetDefaultPolicyVersion(tx, arn, "v1") },
		} {
			if err := f.try(change); !errors.Is(err, iam.ErrShipped) {
				t.Errorf("%s %s: %v", name, what, err)
			}
		}
	}
}

func TestListPolicies(t *testing.T) {
	f := start(t)
	bob := f.user("bob")
	var want []string
	for _, name := range []string{"a", "B", "c"} {
		want = append(want, f.policy(name, everything))
	}
	f.do(func(tx iam.Tx) error {
		_, err := f.CreatePolicy(tx, iam.NewPolicy{Name: "d", Path: "/team/x/", Document: everything})
		return errors.Join(err, f.AttachPolicy(tx, iam.Holder{Kind: iam.KindUser, Name: "bob"}, want[1]), f.SetUserBoundary(tx, bob, readOnly))
	})
	team := "arn:aws:iam::111122223333:policy/team/x/d"
	want = append(want, team)
	const aws = "arn:aws:iam::aws:policy/"
	shipped := []string{aws + "AWSKeyManagementServicePowerUser", aws + "AdministratorAccess", aws + "IAMFullAccess",
		aws + "IAMReadOnlyAccess", aws + "PowerUserAccess", readOnly}
	for _, c := range []struct {
		filter iam.PolicyFilter
		want   []string
	}{
		{iam.PolicyFilter{}, append(append([]string{}, want...), shipped...)},
		{iam.PolicyFilter{NoShipped: true}, want},
		{iam.PolicyFilter{NoLocal: true}, shipped},
		{iam.PolicyFilter{PathPrefix: "/team/"}, []string{team}},
		{iam.PolicyFilter{Attached: true}, want[1:2]},
		{iam.PolicyFilter{Bounding: true}, []string{readOnly}},
		{iam.PolicyFilter{Bounding: true, NoShipped: true}, nil},
	} {
		for _, limit := range []int{1, 3, 0} {
			var got []string
			page := iam.Page{Limit: limit}
			for more := true; more; more = page.Marker != "" {
				f.view(func(tx iam.Tx) error {
					found, next, err := f.ListPolicies(tx, c.filter, page)
					for _, p := range found {
						got = append(got, p.ARN())
					}
					page.Marker = next
					return err
				})
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%+v, pages of %d: %s", c.filter, limit, diff)
			}
		}
	}
	f.view(func(tx iam.Tx) error {
		_, _, err := f.ListPolicies(tx, iam.PolicyFilter{}, iam.Page{Marker: "x"})
		if err == nil || err.Error() != "ValidationError: Invalid Marker." {
			t.Error(err)
		}
		return nil
	})
}
