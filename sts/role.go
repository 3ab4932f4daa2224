package sts

import (
	"context"
	"time"

	"github.com/keyd-hsm/keyd/iam"
)

// Limits are session policies: they only take away from what the role or user
// may do. The documents have been validated by the caller.
type Limits struct {
	Policies []string // inline documents, at most one
	ARNs     []string // managed policies, at most maxARNs
}

const (
	maxPolicy = 2048 // characters of an inline session policy
	maxARNs   = 10
)

func (l Limits) check() error {
	for _, p := range l.Policies {
		if len(p) > maxPolicy {
			return refuse(iam.CodeValidation, "1 validation error detected: Value at 'policy' failed to satisfy constraint: "+
				"Member must have length less than or equal to %d", maxPolicy)
		}
	}
	if len(l.ARNs) > maxARNs {
		return refuse(iam.CodeValidation, "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", maxARNs)
	}
	return nil
}

// RoleSession is what AssumeRole is asked for.
type RoleSession struct {
	Name           string
	Lasts          time.Duration // 0 means an hour
	Limits         Limits
	Tags           []Tag
	Transitive     []string // keys of tags that go on to sessions made from this one
	SourceIdentity string   // "" takes that of the caller
	MFA            MFA
}

// Check refuses what the caller may not ask for whatever the role and the
// policies are.
func (in *RoleSession) Check(caller iam.Principal) error {
	if caller.IsRoot() {
		return refuse(CodeAccessDenied, "Roles may not be assumed by root accounts.")
	}
	if old := sourceIdentity(caller); old != "" && in.SourceIdentity != "" && in.SourceIdentity != old {
		return refuse(iam.CodeValidation, "The source identity is already set for this assume role session")
	}
	if err := in.Limits.check(); err != nil {
		return err
	}
	if err := checkTags(caller, in.Tags, in.Transitive); err != nil {
		return err
	}
	return in.MFA.check()
}

// Identity is the source identity that the session will have, "" for none.
func (in *RoleSession) Identity(caller iam.Principal) string {
	if in.SourceIdentity != "" {
		return in.SourceIdentity
	}
	return sourceIdentity(caller)
}

// Tagged reports whether the session will have tags, of the request or handed
// on by the caller's session.
func (in *RoleSession) Tagged(caller iam.Principal) bool {
	return len(in.Tags) > 0 || caller.Session != nil && len(caller.Session.Transitive) > 0
}

func sourceIdentity(caller iam.Principal) string {
	if caller.Session == nil {
		return ""
	}
	return caller.Session.SourceIdentity
}

// AssumeRole makes a session of a role. The caller has been authorized.
//
// A session made by a session with MFA has MFA too; a code given to AssumeRole
// itself counts for the trust policy only (rule 10.2), and is the caller's to
// [Service.Prove].
func (s *Service) AssumeRole(ctx context.Context, caller iam.Principal, role *iam.Role, in RoleSession) (*Credentials, error) {
	if err := in.Check(caller); err != nil {
		return nil, err
	}
	lasts, err := roleDuration(role, in.Lasts, caller.Type == iam.TypeAssumedRole)
	if err != nil {
		return nil, err
	}
	f := &facts{
		Type: iam.TypeAssumedRole, Entity: role.ID, Name: in.Name,
		Policies: in.Limits.Policies, PolicyARNs: in.Limits.ARNs,
		SourceIdentity: in.Identity(caller),
	}
	f.Tags, f.Transitive = sessionTags(caller, in.Tags, in.Transitive)
	if by := caller.Session; by != nil {
		f.MFA, f.MFAAt, f.MFAType, f.MFAAttested, f.MFATouch = by.MFA, by.MFAAt, by.MFAType, by.MFAAttested, by.MFATouch
	}
	return s.issue(ctx, f, lasts)
}

// Durations of sessions.
const (
	minDuration     = 15 * time.Minute
	defaultDuration = time.Hour
	maxChained      = time.Hour // a role session made by a role session
)

func roleDuration(role *iam.Role, asked time.Duration, chained bool) (time.Duration, error) {
	lasts := asked
	if lasts == 0 {
		lasts = defaultDuration
	}
	switch {
	case lasts < minDuration:
		return 0, tooShort()
	case chained && lasts > maxChained:
		return 0, refuse(iam.CodeValidation,
			"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case lasts > time.Duration(role.MaxSession)*time.Second:
		return 0, refuse(iam.CodeValidation,
			"The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return lasts, nil
}

func tooShort() error {
	return refuse(iam.CodeValidation, "1 validation error detected: Value at 'durationSeconds' failed to satisfy constraint: "+
		"Member must have value greater than or equal to %d", int(minDuration/time.Second))
}
