// Package sts makes temporary credentials and finds out whose they are.
//
// Most callers need two calls: [Service.AssumeRole] (or one of its sisters)
// gives an access key id, a secret and a session token; [Service.Verify] takes
// the id and the token of a request and answers the principal that they prove.
//
// A session token is self-contained: it carries all facts of its session, sealed
// by the appliance's token, and nothing is stored. Every node that shares the
// sealing key verifies it. Who the session belongs to is looked up at each call,
// so that a deleted role, a changed tag or a revocation counts at once; session
// policies, session tags and what is known of MFA are frozen in it.
//
// A Service is safe for concurrent use. It keeps facts of tokens that it has
// verified, a bounded number of them, and no secrets.
package sts

import (
	"context"
	"errors"
	"time"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/mfa"
)

// What Verify and Secret refuse.
var (
	// ErrInvalidToken: not a session token of this appliance, or of another access
	// key, or of a user or role that is no more.
	ErrInvalidToken = errors.New("invalid session token")
	// ErrExpiredToken: the session is over: its time has come, or it was revoked.
	ErrExpiredToken = errors.New("expired session token")
)

// A KeySource finds the public keys of an OIDC issuer: a JSON Web Key Set (RFC
// 7517). It may answer from a cache, unless fresh asks for one that is newer than
// the last answer; a source may bound how often it does that. It bounds the size
// of the answer and the time it takes, and is safe for concurrent use.
type KeySource func(ctx context.Context, issuer string, fresh bool) ([]byte, error)

// Config is what a Service stands on. Every field is needed.
type Config struct {
	Account string
	IAM     *iam.Service
	Sealer  iam.Sealer
	MFA     *mfa.Service
	// Clock is the appliance's clock, by which sessions end.
	Clock func() time.Time
	// RealTime is what the dates in OIDC tokens are held against: others made them.
	RealTime func() time.Time
	// IssuerKeys finds the keys of OIDC issuers.
	IssuerKeys KeySource
}

// Service makes and verifies the sessions of one account.
type Service struct {
	Config
	known *lru // facts of verified tokens
}

// maxKnown bounds the verified tokens whose facts are kept; about 1 KB each,
// and at most maxPacked.
const maxKnown = 4096

// New makes the service.
func New(cfg Config) *Service {
	return &Service{Config: cfg, known: newLRU(maxKnown)}
}
