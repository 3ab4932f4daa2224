package sts

import (
	"context"
	"time"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/mfa"
)

const (
	defaultUser = 12 * time.Hour
	maxUser     = 36 * time.Hour
	maxRoot     = time.Hour // longer is cut to it, as AWS does
)

// UserSession makes temporary credentials of the calling user: GetSessionToken.
// lasts is 0 for twelve hours. With a code, which is spent, the session has MFA, and
// its age counts from now.
func (s *Service) UserSession(ctx context.Context, caller iam.Principal, lasts time.Duration, code MFA) (*Credentials, error) {
	if caller.Session != nil {
		return nil, longTermOnly("GetSessionToken")
	}
	if _, err := userDuration(caller, lasts); err != nil {
		return nil, err // before the code is spent
	}
	proof, err := s.Prove(ctx, caller, code)
	if err != nil {
		return nil, err
	}
	return s.ProvenSession(ctx, caller, lasts, proof)
}

// ProvenSession is UserSession with MFA that was proved elsewhere, as by the answer
// to a challenge. Its age counts from when it was. That the proof is the caller's,
// and is used once, is for who calls this to see to.
func (s *Service) ProvenSession(ctx context.Context, caller iam.Principal, lasts time.Duration, proof mfa.Proof) (*Credentials, error) {
	if caller.Session != nil {
		return nil, longTermOnly("GetSessionToken")
	}
	lasts, err := userDuration(caller, lasts)
	if err != nil {
		return nil, err
	}
	f := &facts{Type: caller.Type, Entity: caller.ID}
	if proof.Given() {
		f.MFA, f.MFAAt = true, proof.At.UTC()
		f.MFAType, f.MFAAttested, f.MFATouch = proof.Type, proof.Attested, proof.TouchPolicy
	}
	return s.issue(ctx, f, lasts)
}

// Federation is what GetFederationToken is asked for.
type Federation struct {
	Name   string
	Lasts  time.Duration // 0 means twelve hours
	Limits Limits
	Tags   []Tag
}

// Check refuses what the caller may not ask for whatever the policies are.
func (in *Federation) Check(caller iam.Principal) error {
	if caller.Session != nil {
		return longTermOnly("GetFederationToken")
	}
	if err := in.Limits.check(); err != nil {
		return err
	}
	return checkTags(caller, in.Tags, nil)
}

// ARN is that of a federated user.
func (s *Service) ARN(federated string) string { return s.sessionARN("federated-user/" + federated) }

// FederationToken makes credentials of a federated user, who may do what the
// calling user and the session policies both allow: GetFederationToken. The
// caller has been authorized.
func (s *Service) FederationToken(ctx context.Context, caller iam.Principal, in Federation) (*Credentials, error) {
	if err := in.Check(caller); err != nil {
		return nil, err
	}
	lasts, err := userDuration(caller, in.Lasts)
	if err != nil {
		return nil, err
	}
	f := &facts{
		Type: iam.TypeFederatedUser, Entity: caller.ID, Name: in.Name,
		Policies: in.Limits.Policies, PolicyARNs: in.Limits.ARNs,
	}
	f.Tags, _ = sessionTags(caller, in.Tags, nil)
	return s.issue(ctx, f, lasts)
}

func userDuration(caller iam.Principal, asked time.Duration) (time.Duration, error) {
	lasts := asked
	if lasts == 0 {
		lasts = defaultUser
	}
	if lasts < minDuration {
		return 0, tooShort()
	}
	if caller.IsRoot() {
		return min(lasts, maxRoot), nil
	}
	return min(lasts, maxUser), nil
}

func longTermOnly(operation string) error {
	return refuse(CodeAccessDenied, "Cannot call %s with session credentials", operation)
}
