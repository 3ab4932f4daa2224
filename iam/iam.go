// Package iam knows who may call: the identities of the account and their
// access keys, with the policies that say what they may do: the root user,
// users, groups, roles and what belongs to them.
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

// Config is what a Service stands on. Every field but Limits is needed.
type Config struct {
	Account string
	DB      store.DB
	Sealer  Sealer
	Clock   func() time.Time
	Limits  Limits // zero ones are DefaultLimits
}

// Service is the identities of one account.
type Service struct {
	account string
	sealer  Sealer
	clock   func() time.Time
	db      store.DB
	cache   *store.Cache
	uses    lastUse
	limits  Limits

	gathered *gatherCache
	ungather func() // ends the watch of gathered
	accesses accessLog
}

// maxCached bounds the records kept in memory.
const maxCached = 10_000

// New makes the service over a store.
func New(cfg Config) *Service {
	s := &Service{
		account:  cfg.Account,
		sealer:   cfg.Sealer,
		clock:    cfg.Clock,
		db:       cfg.DB,
		cache:    store.NewCache(cfg.DB, prefix, maxCached),
		gathered: newGatherCache(),
		limits:   cfg.Limits.or(DefaultLimits),
	}
	s.ungather = cfg.DB.Watch(prefix, s.gathered.forget)
	return s
}

// Close ends the service's watches of the store.
func (s *Service) Close() {
	s.cache.Close()
	s.ungather()
}
