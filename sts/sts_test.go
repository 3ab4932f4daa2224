package sts_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/sts"
)

const account = testkit.Account

// asUser is a user as the caller with a long-lived key.
func asUser(u *iam.User) iam.Principal {
	return iam.Principal{Type: iam.TypeUser, Account: account, ARN: u.ARN(), ID: u.ID, Name: u.Name, Tags: u.Tags}
}

// refused checks that err is the refusal of a code, and that its message has text.
func refused(t *testing.T, what string, err error, code, text string) {
	t.Helper()
	var e *iam.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, text) {
		t.Errorf("%s: %v, want %s: %s", what, err, code, text)
	}
}

// verified is who calls with credentials that were just issued.
func verified(t *testing.T, s *sts.Service, c *sts.Credentials, err error) iam.Principal {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Verify(t.Context(), c.AccessKeyID, string(c.Token))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPrincipals: rule 2.1, who each kind of session is.
func TestPrincipals(t *testing.T) {
	kit := testkit.Start(t)
	s, ctx := kit.Sessions, t.Context()
	user, _ := kit.UserWithKey("Ann", iam.Tag{Key: "Dept", Value: "hr"})
	role := kit.RoleTrusting("Ops", "", iam.Tag{Key: "Dept", Value: "ops"}, iam.Tag{Key: "site", Value: "x"})
	root := iam.Root(account)

	type want struct {
		Type, ARN, Parent, ID, Name string
		Tags                        map[string]string
	}
	check := func(what string, w want, c *sts.Credentials, err error) {
		t.Helper()
		p := verified(t, s, c, err)
		got := want{p.Type, p.ARN, p.Parent, p.ID, p.Name, p.Tags}
		if diff := cmp.Diff(w, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		if p.Account != account || p.Session == nil || !p.Session.Expires.Equal(c.Expires) {
			t.Errorf("%s: account %s, session %+v", what, p.Account, p.Session)
		}
		if c.Holder.ARN != p.ARN || c.Holder.ID != p.ID {
			t.Errorf("%s: issued to %s %s", what, c.Holder.ARN, c.Holder.ID)
		}
	}
	c, err := s.UserSession(ctx, asUser(user), 0, sts.MFA{})
	check("user session", want{iam.TypeUser, user.ARN(), "", user.ID, "Ann", user.Tags}, c, err)
	c, err = s.UserSession(ctx, root, 0, sts.MFA{})
	check("root session", want{iam.TypeRoot, root.ARN, "", account, "", nil}, c, err)
	c, err = s.FederationToken(ctx, asUser(user), sts.Federation{Name: "bob", Tags: []sts.Tag{{Key: "dept", Value: "it"}}})
	check("federated", want{iam.TypeFederatedUser, "arn:aws:sts::" + account + ":federated-user/bob", user.ARN(),
		account + ":bob", "", map[string]string{"dept": "it"}}, c, err)
	c, err = s.FederationToken(ctx, root, sts.Federation{Name: "eve"})
	check("federated by root", want{iam.TypeFederatedUser, "arn:aws:sts::" + account + ":federated-user/eve", root.ARN,
		account + ":eve", "", nil}, c, err)
	c, err = s.AssumeRole(ctx, asUser(user), role, sts.RoleSession{Name: "s1", Tags: []sts.Tag{{Key: "DEPT", Value: "it"}}})
	check("role session", want{iam.TypeAssumedRole, "arn:aws:sts::" + account + ":assumed-role/Ops/s1",
		"arn:aws:iam::" + account + ":role/team/Ops", role.ID + ":s1", "",
		map[string]string{"DEPT": "it", "site": "x"}}, c, err)
}

// TestDurations: section 13, and what a chained session may last (rule 10.3).
func TestDurations(t *testing.T) {
	kit := testkit.Start(t)
	s, ctx := kit.Sessions, t.Context()
	user, _ := kit.UserWithKey("ann")
	role := kit.RoleTrusting("ops", "") // two hours at most
	for _, c := range []struct {
		asked, lasts time.Duration
		text         string
	}{
		{0, time.Hour, ""}, {15 * time.Minute, 15 * time.Minute, ""}, {2 * time.Hour, 2 * time.Hour, ""},
		{14 * time.Minute, 0, "greater than or equal to 900"},
		{2*time.Hour + time.Second, 0, "exceeds the MaxSessionDuration set for this role."},
	} {
		got, err := s.AssumeRole(ctx, asUser(user), role, sts.RoleSession{Name: "s1", Lasts: c.asked})
		if c.text != "" {
			refused(t, c.asked.String(), err, iam.CodeValidation, c.text)
			continue
		}
		lasts(t, kit, c.asked.String(), got, err, c.lasts)
	}
	first, err := s.AssumeRole(ctx, asUser(user), role, sts.RoleSession{Name: "s1"})
	chained := verified(t, s, first, err)
	_, err = s.AssumeRole(ctx, chained, role, sts.RoleSession{Name: "s2", Lasts: time.Hour + time.Second})
	refused(t, "chained", err, iam.CodeValidation, "1 hour session limit for roles assumed by role chaining.")
	got, err := s.AssumeRole(ctx, chained, role, sts.RoleSession{Name: "s2", Lasts: time.Hour})
	lasts(t, kit, "chained", got, err, time.Hour)

	got, err = s.UserSession(ctx, asUser(user), 0, sts.MFA{})
	lasts(t, kit, "user", got, err, 12*time.Hour)
	got, err = s.UserSession(ctx, iam.Root(account), 12*time.Hour, sts.MFA{})
	lasts(t, kit, "root", got, err, time.Hour)
}

func lasts(t *testing.T, kit *testkit.Kit, what string, c *sts.Credentials, err error, want time.Duration) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	p := verified(t, kit.Sessions, c, nil)
	if got := c.Expires.Sub(p.Session.Issued); got > want || got <= want-time.Second {
		t.Errorf("%s: lasts %v, want %v", what, got, want)
	}
}

// TestEnd: a session ends at its time by the appliance's clock, when it is
// revoked, and with the user or role behind it; a role or user made anew under
// the old name does not revive it.
func TestEnd(t *testing.T) {
	kit := testkit.Start(t)
	s, ctx := kit.Sessions, t.Context()
	user, _ := kit.UserWithKey("ann")
	role := kit.RoleTrusting("ops", "")
	make := func() map[string]*sts.Credentials {
		r, err := s.AssumeRole(ctx, asUser(user), role, sts.RoleSession{Name: "s1"})
		verified(t, s, r, err)
		u, err := s.UserSession(ctx, asUser(user), time.Hour, sts.MFA{})
		verified(t, s, u, err)
		f, err := s.FederationToken(ctx, asUser(user), sts.Federation{Name: "bob", Lasts: time.Hour})
		verified(t, s, f, err)
		o, err := s.UserSession(ctx, iam.Root(account), 0, sts.MFA{})
		verified(t, s, o, err)
		return map[string]*sts.Credentials{"role": r, "user": u, "federated": f, "root": o}
	}
	expect := func(when string, c map[string]*sts.Credentials, want map[string]error) {
		t.Helper()
		for kind, creds := range c {
			if _, err := s.Verify(ctx, creds.AccessKeyID, string(creds.Token)); !errors.Is(err, want[kind]) {
				t.Errorf("%s, %s session: %v, want %v", when, kind, err, want[kind])
			}
		}
	}
	expired, gone := sts.ErrExpiredToken, sts.ErrInvalidToken

	c := make()
	kit.Offset.Store(int64(59 * time.Minute))
	expect("before its time", c, nil)
	kit.Offset.Store(int64(time.Hour))
	expect("after its time", c, map[string]error{"role": expired, "user": expired, "federated": expired, "root": expired})

	c = make()
	kit.Update(func(tx store.Tx) error { return kit.Identities.RevokeSessions(tx, role.ID) })
	expect("role revoked", c, map[string]error{"role": expired})
	kit.Update(func(tx store.Tx) error { return kit.Identities.RevokeSessions(tx, user.ID) })
	expect("user revoked", c, map[string]error{"role": expired, "user": expired, "federated": expired})
	kit.Update(func(tx store.Tx) error { return kit.Identities.RevokeSessions(tx, account) })
	expect("root revoked", c, map[string]error{"role": expired, "user": expired, "federated": expired, "root": expired})

	c = make() // revoked sessions do not keep new ones away
	kit.Update(func(tx store.Tx) error { return kit.Identities.DeleteRole(tx, "ops") })
	expect("role deleted", c, map[string]error{"role": gone})
	kit.RoleTrusting("ops", "")
	expect("role made anew", c, map[string]error{"role": gone})
	kit.Update(func(tx store.Tx) error {
		keys, _, err := kit.Identities.AccessKeys(tx, "ann", iam.Page{})
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := kit.Identities.DeleteAccessKey(tx, "ann", k.ID); err != nil {
				return err
			}
		}
		return kit.Identities.DeleteUser(tx, "ann")
	})
	expect("user deleted", c, map[string]error{"role": gone, "user": gone, "federated": gone})
	kit.UserWithKey("ann")
	expect("user made anew", c, map[string]error{"role": gone, "user": gone, "federated": gone})
}

// TestLive: what is looked up at each call and what is frozen (rule 10.5).
func TestLive(t *testing.T) {
	kit := testkit.Start(t)
	s, ctx := kit.Sessions, t.Context()
	user, _ := kit.UserWithKey("ann")
	role := kit.RoleTrusting("ops", "", iam.Tag{Key: "dept", Value: "old"}, iam.Tag{Key: "site", Value: "old"})
	const limit = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`
	c, err := s.AssumeRole(ctx, asUser(user), role, sts.RoleSession{
		Name: "s1", SourceIdentity: "ann@corp", Tags: []sts.Tag{{Key: "Dept", Value: "session"}}, Transitive: []string{"dept"},
		Limits: sts.Limits{Policies: []string{limit}, ARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}},
	})
	before := verified(t, s, c, err)
	kit.Update(func(tx store.Tx) error {
		return kit.Identities.TagRole(tx, "ops", []iam.Tag{{Key: "dept", Value: "new"}, {Key: "site", Value: "new"}})
	})
	p := verified(t, s, c, nil)
	if diff := cmp.Diff(map[string]string{"Dept": "session", "site": "new"}, p.Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	want := &iam.Session{
		Issued: before.Session.Issued, Expires: c.Expires, Policies: []string{limit},
		PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}, SourceIdentity: "ann@corp", Transitive: []string{"dept"},
	}
	if diff := cmp.Diff(want, p.Session); diff != "" {
		t.Errorf("session (-want +got):\n%s", diff)
	}
}
