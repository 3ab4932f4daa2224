package iam_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/iam"
)

func trusting(principal string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"}]}`
}

func (f *fixture) role(name, trust string) *iam.Role {
	f.t.Helper()
	var r *iam.Role
	f.do(func(tx iam.Tx) (err error) {
		r, err = f.CreateRole(tx, iam.NewRole{Name: name, Trust: trust})
		return err
	})
	return r
}

func (f *fixture) shownTrust(name string) (shown string) {
	f.t.Helper()
	f.view(func(tx iam.Tx) error {
		r, err := f.Role(f.t.Context(), tx, name)
		f.must(err)
		shown, err = f.TrustPolicy(tx, r)
		return err
	})
	return shown
}

// TestRule2_4: a trust policy means the user that had the name when it was saved,
// under whatever name it goes later, and never another.
func TestRule2_4(t *testing.T) {
	f := start(t)
	bob := f.user("bob")
	r := f.role("deploy", trusting(bob.ARN()))
	if r.Trust != trusting(bob.ARN()) || r.TrustBound != trusting(bob.ID) || !strings.HasPrefix(r.ID, "AROA") {
		t.Errorf("bound to %s", r.TrustBound)
	}
	if got := f.shownTrust("deploy"); got != trusting(bob.ARN()) {
		t.Errorf("shown as %s", got)
	}
	f.do(func(tx iam.Tx) error { return f.UpdateUser(tx, "bob", iam.Rename{Name: "robert"}) })
	if got := f.shownTrust("deploy"); got != trusting("arn:aws:iam::111122223333:user/robert") {
		t.Errorf("after the rename shown as %s", got)
	}
	f.do(func(tx iam.Tx) error { return f.DeleteUser(tx, "robert") })
	f.user("robert")
	if got := f.shownTrust("deploy"); got != trusting(bob.ID) {
		t.Errorf("after delete and recreate shown as %s", got)
	}
}

func TestTrustRefused(t *testing.T) {
	f := start(t)
	f.user("bob")
	f.role("deploy", trusting("arn:aws:iam::111122223333:root"))
	for doc, message := range map[string]string{
		`{`: "This policy contains invalid Json",
		trusting("arn:aws:iam::111122223333:user/eve"):                           `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/eve"`,
		trusting("arn:aws:iam::111122223333:user/Bob"):                           `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/Bob"`,
		trusting("arn:aws:iam::111122223333:user/x/bob"):                         `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/x/bob"`,
		trusting("arn:aws:iam::111122223333:group/g"):                            `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:group/g"`,
		trusting("AIDAAAAAAAAAAAAAAAAAA"):                                        `Invalid principal in policy: "AWS":"AIDAAAAAAAAAAAAAAAAAA"`,
		strings.Replace(trusting("*"), "sts:AssumeRole", "s3:GetObject", 1):      "AssumeRole policy may only specify STS AssumeRole actions.",
		strings.Replace(trusting("*"), `"Action"`, `"Resource":"*","Action"`, 1): "Has prohibited field Resource",
	} {
		f.refused("MalformedPolicyDocument", message, func(tx iam.Tx) error { return f.UpdateTrust(tx, "deploy", doc) })
	}
	for _, principal := range []string{
		"*", "999988887777", "arn:aws:iam::999988887777:user/foreign", "arn:aws:sts::111122223333:assumed-role/any/session",
		"arn:aws:iam::111122223333:user/bob", "arn:aws:iam::111122223333:role/deploy",
	} {
		f.do(func(tx iam.Tx) error { return f.UpdateTrust(tx, "deploy", trusting(principal)) })
	}
	long := trusting("*")
	long = strings.Replace(long, `"Effect"`, `"Sid":"`+strings.Repeat("a", 30_000)+`","Effect"`, 1)
	if err := f.try(func(tx iam.Tx) error { return f.UpdateTrust(tx, "deploy", long) }); err == nil {
		t.Error("trust policy of 30,000 characters taken")
	}
}

func TestResolvePrincipal(t *testing.T) {
	f := start(t)
	bob := f.user("bob")
	r := f.role("deploy", trusting("*"))
	f.view(func(tx iam.Tx) error {
		for principal, want := range map[string]string{
			bob.ARN(): bob.ID, r.ARN(): r.ID, bob.ID: bob.ID,
			"arn:aws:iam::111122223333:root":             "arn:aws:iam::111122223333:root",
			"arn:aws:iam::999988887777:role/x":           "arn:aws:iam::999988887777:role/x",
			"arn:aws:sts::111122223333:federated-user/x": "arn:aws:sts::111122223333:federated-user/x",
		} {
			if got, err := f.ResolvePrincipal(tx, principal); err != nil || got != want {
				t.Errorf("%s: %s %v", principal, got, err)
			}
		}
		for _, principal := range []string{
			"", "bob", "arn", "arn:aws:iam::111122223333:user/", "arn:aws:iam::111122223333:user", "arn:aws:iam::1:user/bob",
			"arn:aws:iam:eu-1:111122223333:user/bob", "arn:aws:s3::111122223333:user/bob", "arn:aws:iam::111122223333:policy/x",
			"arn:aws:sts::111122223333:assumed-role/", "AROAAAAAAAAAAAAAAAAAA", "AIDA/../user/bob12345",
		} {
			if got, err := f.ResolvePrincipal(tx, principal); !errors.Is(err, iam.ErrNoPrincipal) {
				t.Errorf("%q: %s %v", principal, got, err)
			}
		}
		if arn, err := f.PrincipalARN(tx, r.ID); err != nil || arn != r.ARN() {
			t.Errorf("%s %v", arn, err)
		}
		return nil
	})
}

func TestRole(t *testing.T) {
	f := start(t)
	f.role("deploy", trusting("*"))
	f.refused("EntityAlreadyExists", "Role with name Deploy already exists.", func(tx iam.Tx) error {
		_, err := f.CreateRole(tx, iam.NewRole{Name: "Deploy", Trust: trusting("*")})
		return err
	})
	missing := "arn:aws:iam::111122223333:policy/none"
	f.refused("NoSuchEntity", "Scope ARN: "+missing+" does not exist or is not attachable.", func(tx iam.Tx) error {
		_, err := f.CreateRole(tx, iam.NewRole{Name: "other", Trust: trusting("*"), Boundary: missing})
		return err
	})
	f.do(func(tx iam.Tx) error {
		_, err := f.CreateRole(tx, iam.NewRole{Name: "bounded", Trust: trusting("*"), Boundary: "arn:aws:iam::aws:policy/ReadOnlyAccess"})
		return err
	})
	text := "what it is for"
	f.do(func(tx iam.Tx) error {
		_, err := f.UpdateRole(tx, "deploy", iam.RoleUpdate{Description: &text, MaxSession: 7200})
		return err
	})
	f.do(func(tx iam.Tx) error { // nothing given, nothing changed
		r, err := f.UpdateRole(tx, "deploy", iam.RoleUpdate{})
		if r.Description != text || r.MaxSession != 7200 {
			t.Errorf("%+v", r)
		}
		return err
	})
	for _, seconds := range []int{3599, 43201, -1} {
		if err := f.try(func(tx iam.Tx) error {
			_, err := f.UpdateRole(tx, "deploy", iam.RoleUpdate{MaxSession: seconds})
			return err
		}); err == nil {
			t.Errorf("%d seconds taken", seconds)
		}
	}
	f.do(func(tx iam.Tx) error {
		return f.AttachPolicy(tx, iam.Holder{Kind: iam.KindRole, Name: "deploy"}, "arn:aws:iam::aws:policy/ReadOnlyAccess")
	})
	f.refused("DeleteConflict", "Cannot delete entity, must detach all policies first.", func(tx iam.Tx) error { return f.DeleteRole(tx, "deploy") })
	f.do(func(tx iam.Tx) error { return f.DeleteRole(tx, "BOUNDED") })
	f.refused("NoSuchEntity", "The role with name bounded cannot be found.", func(tx iam.Tx) error { return f.DeleteRole(tx, "bounded") })
}
