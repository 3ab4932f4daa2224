package sts_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/sts"
)

// TestChain: transitive tags and the source identity go on and cannot be
// changed; session tags override those of the role in any case (rule 10.4).
func TestChain(t *testing.T) {
	kit := testkit.Start(t)
	s, ctx := kit.Sessions, t.Context()
	user, _ := kit.UserWithKey("ann")
	role := kit.RoleTrusting("ops", "", iam.Tag{Key: "team", Value: "role"})
	next := kit.RoleTrusting("next", "", iam.Tag{Key: "project", Value: "role"})

	c, err := s.AssumeRole(ctx, asUser(user), role, sts.RoleSession{
		Name: "one", SourceIdentity: "ann@corp", Transitive: []string{"PROJECT"},
		Tags: []sts.Tag{{Key: "Project", Value: "atlas"}, {Key: "Team", Value: "session"}},
	})
	first := verified(t, s, c, err)
	c, err = s.AssumeRole(ctx, first, next, sts.RoleSession{Name: "two", Tags: []sts.Tag{{Key: "step", Value: "2"}}})
	second := verified(t, s, c, err)
	c, err = s.AssumeRole(ctx, second, role, sts.RoleSession{Name: "three"})
	third := verified(t, s, c, err)

	for _, w := range []struct {
		p    iam.Principal
		tags map[string]string
	}{
		{first, map[string]string{"Project": "atlas", "Team": "session"}},
		{second, map[string]string{"PROJECT": "atlas", "step": "2"}},
		{third, map[string]string{"PROJECT": "atlas", "team": "role"}},
	} {
		if diff := cmp.Diff(w.tags, w.p.Tags); diff != "" {
			t.Errorf("tags of %s (-want +got):\n%s", w.p.ARN, diff)
		}
		if got := w.p.Session.SourceIdentity; got != "ann@corp" {
			t.Errorf("source identity of %s: %q", w.p.ARN, got)
		}
		if got := strings.Join(w.p.Session.Transitive, ","); got != "PROJECT" {
			t.Errorf("transitive keys of %s: %s", w.p.ARN, got)
		}
	}
	if in := (&sts.RoleSession{}); !in.Tagged(first) || in.Tagged(asUser(user)) || in.Identity(first) != "ann@corp" {
		t.Error("what is handed on is not asked for")
	}
}

// TestRefusedRequests: what AssumeRole refuses before any policy is asked.
func TestRefusedRequests(t *testing.T) {
	kit := testkit.Start(t)
	s, ctx := kit.Sessions, t.Context()
	user, _ := kit.UserWithKey("ann")
	role := kit.RoleTrusting("ops", "")
	tag := func(keys ...string) (tags []sts.Tag) {
		for _, k := range keys {
			tags = append(tags, sts.Tag{Key: k, Value: "v"})
		}
		return tags
	}
	c, err := s.AssumeRole(ctx, asUser(user), role, sts.RoleSession{
		Name: "s1", SourceIdentity: "ann@corp", Tags: tag("Project"), Transitive: []string{"Project"}})
	session := verified(t, s, c, err)
	var many []string
	for i := range 50 {
		many = append(many, fmt.Sprint("k", i))
	}
	for _, c := range []struct {
		what       string
		caller     iam.Principal
		in         sts.RoleSession
		code, text string
	}{
		{"root", iam.Root(account), sts.RoleSession{}, "AccessDenied", "Roles may not be assumed by root accounts."},
		{"tag twice", asUser(user), sts.RoleSession{Tags: tag("a", "A")}, "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{"transitive key without tag", asUser(user), sts.RoleSession{Tags: tag("a"), Transitive: []string{"b"}}, "InvalidParameterValue", "must be included in the requested tags."},
		{"transitive tag again", session, sts.RoleSession{Tags: tag("project")}, "InvalidParameterValue", "conflicts with a transitive tag key from the calling session."},
		{"51 tags with those handed on", session, sts.RoleSession{Tags: tag(many...)}, "ValidationError", "less than or equal to 50"},
		{"other source identity", session, sts.RoleSession{SourceIdentity: "bob@corp"}, "ValidationError", "The source identity is already set for this assume role session"},
		{"policy too long", asUser(user), sts.RoleSession{Limits: sts.Limits{Policies: []string{strings.Repeat(" ", 2049)}}}, "ValidationError", "less than or equal to 2048"},
		{"eleven policies", asUser(user), sts.RoleSession{Limits: sts.Limits{ARNs: make([]string, 11)}}, "ValidationError", "less than or equal to 10"},
		{"code without serial", asUser(user), sts.RoleSession{MFA: sts.MFA{Code: "123456"}}, "AccessDenied", "must provide both MFA serial number and one time pass code."},
		{"more than a token holds", asUser(user), sts.RoleSession{Tags: long(many)}, "PackedPolicyTooLarge", "of allotted space, please use smaller policy."},
	} {
		c.in.Name = "s2"
		_, err := s.AssumeRole(ctx, c.caller, role, c.in)
		refused(t, c.what, err, c.code, c.text)
	}
	code := sts.MFA{Serial: "arn:aws:iam::1:mfa/a", Code: "123456"}
	const unknown = "MultiFactorAuthentication failed, unable to validate MFA code."
	_, err = s.Prove(ctx, asUser(user), code)
	refused(t, "code", err, "AccessDenied", unknown)
	_, err = s.UserSession(ctx, asUser(user), 0, code)
	refused(t, "user session with a code", err, "AccessDenied", unknown)
	_, err = s.UserSession(ctx, session, 0, sts.MFA{})
	refused(t, "user session of a session", err, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	_, err = s.FederationToken(ctx, session, sts.Federation{Name: "bob"})
	refused(t, "federation of a session", err, "AccessDenied", "Cannot call GetFederationToken with session credentials")
}

// long makes tags of the longest values.
func long(keys []string) (tags []sts.Tag) {
	for _, k := range keys {
		tags = append(tags, sts.Tag{Key: k, Value: strings.Repeat("v", 256)})
	}
	return tags
}

// TestMFAGoesOn: a role session made with MFA has it, and no other (rule 10.2).
func TestMFAGoesOn(t *testing.T) {
	kit := testkit.Start(t)
	user, _ := kit.UserWithKey("ann")
	role := kit.RoleTrusting("ops", "")
	at := kit.Now().UTC().Round(0)
	for _, c := range []struct{ by, want iam.Session }{
		{iam.Session{}, iam.Session{}},
		// A token of before there were other devices says nothing of its own.
		{iam.Session{MFA: true, MFAAt: at}, iam.Session{MFA: true, MFAAt: at, MFAType: "TOTP"}},
		{iam.Session{MFA: true, MFAAt: at, MFAType: "HOTP"}, iam.Session{MFA: true, MFAAt: at, MFAType: "HOTP"}},
		{
			iam.Session{MFA: true, MFAAt: at, MFAType: "PIV", MFAAttested: true, MFATouch: "cached"},
			iam.Session{MFA: true, MFAAt: at, MFAType: "PIV", MFAAttested: true, MFATouch: "cached"},
		},
	} {
		caller := asUser(user)
		caller.Session = &c.by
		made, err := kit.Sessions.AssumeRole(t.Context(), caller, role, sts.RoleSession{Name: "s1"})
		sameMFA(t, verified(t, kit.Sessions, made, err).Session, &c.want)
	}
}

// TestProvenSession: what was proved elsewhere stands in the session, and when.
func TestProvenSession(t *testing.T) {
	kit := testkit.Start(t)
	user, _ := kit.UserWithKey("ann")
	at := kit.Now().UTC().Round(0).Add(-time.Minute)
	for _, c := range []struct {
		proof mfa.Proof
		want  iam.Session
	}{
		{mfa.Proof{}, iam.Session{}},
		{mfa.Proof{Type: mfa.TypeRecovery, At: at}, iam.Session{MFA: true, MFAAt: at, MFAType: "RECOVERY"}},
		{
			mfa.Proof{Serial: "arn:aws:iam::1:mfa/a", Type: mfa.TypePIV, Attested: true, TouchPolicy: "always", At: at},
			iam.Session{MFA: true, MFAAt: at, MFAType: "PIV", MFAAttested: true, MFATouch: "always"},
		},
	} {
		made, err := kit.Sessions.ProvenSession(t.Context(), asUser(user), time.Hour, c.proof)
		p := verified(t, kit.Sessions, made, err)
		sameMFA(t, p.Session, &c.want)
		_, err = kit.Sessions.ProvenSession(t.Context(), p, time.Hour, c.proof)
		refused(t, "proven session of a session", err, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	_, err := kit.Sessions.ProvenSession(t.Context(), asUser(user), time.Minute, mfa.Proof{})
	refused(t, "a minute", err, "ValidationError", "greater than or equal to 900")
}

func sameMFA(t *testing.T, got, want *iam.Session) {
	t.Helper()
	if got.MFA != want.MFA || !got.MFAAt.Equal(want.MFAAt) || got.MFAType != want.MFAType || got.MFAAttested != want.MFAAttested || got.MFATouch != want.MFATouch {
		t.Errorf("MFA %v at %v by %q %v %q, want %+v", got.MFA, got.MFAAt, got.MFAType, got.MFAAttested, got.MFATouch, want)
	}
}

// TestMayCall: rule 10.3.
func TestMayCall(t *testing.T) {
	plain, withMFA := &iam.Session{}, &iam.Session{MFA: true}
	for _, c := range []struct {
		kind      string
		session   *iam.Session
		service   string
		operation string
		code      string // "" for allowed
	}{
		{iam.TypeUser, nil, "iam", "ListUsers", ""},
		{iam.TypeUser, nil, "sts", "GetSessionToken", ""},
		{iam.TypeUser, plain, "kms", "Encrypt", ""},
		{iam.TypeUser, plain, "iam", "ListUsers", "InvalidClientTokenId"},
		{iam.TypeUser, withMFA, "iam", "ListUsers", ""},
		{iam.TypeRoot, plain, "iam", "ListUsers", "InvalidClientTokenId"},
		{iam.TypeUser, plain, "sts", "AssumeRole", ""},
		{iam.TypeUser, plain, "sts", "GetCallerIdentity", ""},
		{iam.TypeUser, withMFA, "sts", "GetSessionToken", "AccessDenied"},
		{iam.TypeUser, withMFA, "sts", "DecodeAuthorizationMessage", "AccessDenied"},
		{iam.TypeFederatedUser, plain, "iam", "ListUsers", "InvalidClientTokenId"},
		{iam.TypeFederatedUser, withMFA, "iam", "ListUsers", "InvalidClientTokenId"},
		{iam.TypeFederatedUser, plain, "sts", "AssumeRole", "AccessDenied"},
		{iam.TypeFederatedUser, plain, "sts", "GetCallerIdentity", ""},
		{iam.TypeFederatedUser, plain, "kms", "Encrypt", ""},
		{iam.TypeAssumedRole, plain, "iam", "ListUsers", ""},
		{iam.TypeAssumedRole, plain, "sts", "AssumeRole", ""},
		{iam.TypeAssumedRole, plain, "sts", "GetSessionToken", "AccessDenied"},
		{iam.TypeAssumedRole, plain, "sts", "GetFederationToken", "AccessDenied"},
		{sts.TypeWebIdentity, plain, "sts", "AssumeRoleWithWebIdentity", ""},
		{sts.TypeWebIdentity, plain, "sts", "AssumeRole", "AccessDenied"},
		{sts.TypeWebIdentity, plain, "iam", "ListUsers", "InvalidClientTokenId"},
		{iam.TypeUser, nil, "keyd", "UnlockMFA", ""},
		{iam.TypeUser, plain, "keyd", "CreateRecoveryCodes", "AccessDenied"},
		{iam.TypeUser, withMFA, "keyd", "CreateRecoveryCodes", ""},
		{iam.TypeRoot, plain, "keyd", "EnrollPIVDevice", "AccessDenied"},
		{iam.TypeFederatedUser, plain, "keyd", "UnlockMFA", "AccessDenied"},
		{iam.TypeAssumedRole, plain, "keyd", "UnlockMFA", ""},
		{"SomethingNew", plain, "iam", "ListUsers", "InvalidClientTokenId"},
	} {
		err := sts.MayCall(iam.Principal{Type: c.kind, Session: c.session}, c.service, c.operation)
		if c.code == "" && err != nil {
			t.Errorf("%s %+v %s:%s: %v", c.kind, c.session, c.service, c.operation, err)
		} else if c.code != "" {
			refused(t, c.kind+" "+c.service+":"+c.operation, err, c.code, "")
		}
	}
}
