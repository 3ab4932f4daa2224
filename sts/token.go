package sts

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/mfa"
)

// facts are what a session token holds: everything about its session.
type facts struct {
	Version     int        `json:"v"`
	AccessKeyID string     `json:"key"` // the token is good for this one only
	Secret      iam.Secret `json:"secret,omitempty"`
	// Type is a type of principals of package iam; Entity is the unique id of the
	// role or user behind the session, the account's number for the root user.
	Type    string    `json:"type"`
	Entity  string    `json:"entity"`
	Name    string    `json:"name,omitempty"` // of the session or the federated user
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`

	Policies       []string          `json:"policies,omitempty"`
	PolicyARNs     []string          `json:"policy_arns,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
	Transitive     []string          `json:"transitive,omitempty"`
	MFA            bool              `json:"mfa,omitempty"`
	MFAAt          time.Time         `json:"mfa_at,omitzero"`
	MFAType        string            `json:"mfa_type,omitempty"`
	MFAAttested    bool              `json:"mfa_attested,omitempty"`
	MFATouch       string            `json:"mfa_touch,omitempty"`
	SourceIdentity string            `json:"source_identity,omitempty"`
	Provider       string            `json:"provider,omitempty"`
	Context        map[string]string `json:"context,omitempty"`

	session *iam.Session // the same for its principal; not in the token
}

// purpose binds sealed tokens to their use.
const purpose = "session-token"

const (
	factsVersion = 1
	// maxPacked bounds the facts of a session, in bytes. Sealed, in base64 and in
	// the escapes of a presigned URL they must fit into the header of a request.
	maxPacked = 12 << 10
	// maxToken is longer than any token made here.
	maxToken = 2 * maxPacked
)

// tokenEncoding has no character that a URL or a form would escape.
var tokenEncoding = base64.RawURLEncoding.Strict()

// seal makes the token of a session, and says how much of the space for it the
// session takes, in percent.
func (s *Service) seal(ctx context.Context, f *facts) (token iam.Secret, packed int, err error) {
	text, err := json.Marshal(f)
	if err != nil {
		return "", 0, err
	}
	defer clear(text)
	packed = (100*len(text) + maxPacked - 1) / maxPacked
	if packed > 100 {
		return "", 0, refuse(CodePackedTooLarge,
			"Packed policy consumes %d%% of allotted space, please use smaller policy.", packed)
	}
	sealed, err := s.Sealer.Seal(ctx, purpose, text)
	if err != nil {
		return "", 0, fmt.Errorf("session token: %w", err)
	}
	return iam.Secret(tokenEncoding.EncodeToString(sealed)), packed, nil
}

// open reads a token and asks nothing but whether it is one of ours. The secret
// is in the facts; the caller drops it. An error of the sealer comes back
// wrapped: only its owner knows whether the token was refused or could not be
// looked into.
func (s *Service) open(ctx context.Context, token string) (*facts, error) {
	if token == "" || len(token) > maxToken || strings.ContainsAny(token, "\r\n") { // base64 passes over line ends
		return nil, ErrInvalidToken
	}
	sealed, err := tokenEncoding.DecodeString(token)
	if err != nil {
		return nil, ErrInvalidToken
	}
	text, err := s.Sealer.Unseal(ctx, purpose, sealed)
	if err != nil {
		return nil, fmt.Errorf("session token: %w", err)
	}
	defer clear(text)
	f := new(facts)
	if err := json.Unmarshal(text, f); err != nil || f.Version != factsVersion {
		return nil, ErrInvalidToken
	}
	if f.MFA && f.MFAType == "" {
		f.MFAType = mfa.TypeTOTP // of before there were others
	}
	f.bind()
	return f, nil
}

// bind makes the part of the facts that their principal shows.
func (f *facts) bind() {
	f.session = &iam.Session{
		Issued: f.Issued, Expires: f.Expires, Policies: f.Policies, PolicyARNs: f.PolicyARNs,
		MFA: f.MFA, MFAAt: f.MFAAt, MFAType: f.MFAType, MFAAttested: f.MFAAttested, MFATouch: f.MFATouch,
		SourceIdentity: f.SourceIdentity, Provider: f.Provider, Transitive: f.Transitive, Context: f.Context,
	}
}

// factsOf is open for a token that may have been seen before, without the secret.
func (s *Service) factsOf(ctx context.Context, token string) (*facts, error) {
	key := sha256.Sum256([]byte(token))
	if f := s.known.get(key); f != nil {
		return f, nil
	}
	f, err := s.open(ctx, token)
	if err != nil {
		return nil, err
	}
	f.Secret = ""
	s.known.add(key, f)
	return f, nil
}
