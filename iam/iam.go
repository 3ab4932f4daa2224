// Package iam knows who may call: the identities of the account and their
// access keys. For now that is one principal, the account's root user.
//
// Most callers need two calls: [Service.AccessKey] finds whose key signed a
// request, and [Service.Secret] opens its secret to check the signature.
//
// Secrets are stored sealed by the token and opened only when a signing key has
// to be derived. A Service is safe for concurrent use.
package iam

import (
	"context"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

// Tx is the transaction that methods which change something take.
type Tx = store.Tx

// A Sealer keeps secrets for storage, bound to a purpose. Unseal refuses a
// secret that was sealed for another purpose, or altered.
type Sealer interface {
	Seal(ctx context.Context, purpose string, secret []byte) ([]byte, error)
	Unseal(ctx context.Context, purpose string, sealed []byte) ([]byte, error)
}

// Principal is somebody who can call.
type Principal struct {
	Type    string // as CloudTrail's userIdentity.type: "Root"
	Account string
	ARN     string
	ID      string // the unique id; the root user's is the account
}

// Root is the account's root user.
func Root(account string) Principal {
	return Principal{Type: "Root", Account: account, ARN: "arn:aws:iam::" + account + ":root", ID: account}
}

// Config is what a Service stands on. Every field is needed.
type Config struct {
	Account string
	DB      store.DB
	Sealer  Sealer
	Clock   func() time.Time
}

// Service is the identities of one account.
type Service struct {
	account string
	sealer  Sealer
	clock   func() time.Time
	cache   *store.Cache
}

// maxCached bounds the records kept in memory.
const maxCached = 10_000

const prefix = "iam/"

// New makes the service over a store.
func New(cfg Config) *Service {
	return &Service{
		account: cfg.Account,
		sealer:  cfg.Sealer,
		clock:   cfg.Clock,
		cache:   store.NewCache(cfg.DB, prefix, maxCached),
	}
}

// Close ends the service's watch of the store.
func (s *Service) Close() { s.cache.Close() }
