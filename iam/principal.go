package iam

import "time"

// Types of principals, as CloudTrail's userIdentity.type has them.
const (
	TypeRoot          = "Root"
	TypeUser          = "IAMUser"
	TypeAssumedRole   = "AssumedRole"
	TypeFederatedUser = "FederatedUser"
)

// Principal is somebody who can call, as the credentials of a request prove it.
// It is shared and must not be changed.
type Principal struct {
	Type    string
	Account string
	// ARN is the exact ARN: of the root user, the user, the assumed-role session
	// or the federated user.
	ARN string
	// Parent is the ARN of the role behind a session, or of the user behind a
	// federated one; empty for others.
	Parent string
	// ID is the unique id: the account, AIDA…, AROA…:session, account:name.
	ID string
	// ParentID is the unique id of the role or user behind a session of another
	// ARN: what policies are bound to (rule 2.4). Empty for others.
	ParentID string
	// Name is the user's name; empty for others.
	Name string
	// Tags are the principal's, for sessions with the session's over them.
	Tags map[string]string
	// Session holds what temporary credentials carry; nil for long-lived ones.
	Session *Session
}

// Session is the facts of temporary credentials, frozen when they were issued.
type Session struct {
	Issued, Expires time.Time
	// Policies are the session policies, as documents; they only limit.
	Policies []string
	// PolicyARNs are managed policies that limit likewise, looked up at use.
	PolicyARNs []string
	// MFA says whether a code was given; MFAAt when, if it was.
	MFA   bool
	MFAAt time.Time
	// MFAType, MFAAttested and MFATouch say by which device: see mfa.Proof.
	MFAType        string
	MFAAttested    bool
	MFATouch       string
	SourceIdentity string
	// Provider is the identity provider of a federated session.
	Provider string
	// Transitive are the keys of session tags that go on to chained sessions.
	Transitive []string
	// Context holds what an OIDC token said, as condition keys: "issuer:sub".
	Context map[string]string
}

// Root is the account's root user.
func Root(account string) Principal {
	return Principal{Type: TypeRoot, Account: account, ARN: "arn:aws:iam::" + account + ":root", ID: account}
}

// IsRoot reports whether p is the root user of its account, with long-lived
// credentials or in a session of them.
func (p Principal) IsRoot() bool { return p.Type == TypeRoot }
