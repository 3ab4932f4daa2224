// Package kms is the key management service behind the wire: KMS keys, their
// key material and states, aliases, deletion, and the cryptographic operations.
//
// Most callers need two calls: [Service.Resolve] turns what a request names
// into an immutable [Key], and [Service.Encrypt] (or Decrypt, …) works with it.
// Methods that change something take the caller's transaction, so that a change
// and its audit event are one commit; token work is done before it opens.
//
// Key material is made in the token and stored wrapped under its domain key
// (docs/spec/ciphertext.md), or stays on the token where it cannot be wrapped. What
// stands in clear in this process, for the length of one call each, is what callers
// ask for (plaintexts, data keys and data key pairs, shared secrets), a key derived
// for one message, a secret that [Service.Unseal] returns, and some imported
// material on its way in, as [Service.OpenImport] says.
//
// A Service is safe for concurrent use. It knows nothing of who may do what:
// callers ask authz first.
package kms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/store"
)

// Tx is the transaction that methods which change something take.
type Tx = store.Tx

// maxCached bounds the records kept in memory, about 2 KB each.
const maxCached = 30_000

// Config is what a Service stands on. Every field is needed unless it says otherwise.
type Config struct {
	Account string // 12 digits, part of every ARN
	Token   hsm.Token
	DB      store.DB
	Clock   func() time.Time // the appliance's clock, for dates and deletion windows
	Random  io.Reader        // nonces and ids; crypto/rand.Reader
	// RSAPool is how many RSA keys of each size [Service.FillPool] keeps ready; 0:
	// none, and CreateKey waits for the token.
	RSAPool int
	// Clusters are further tokens, for custom key stores, by cluster id.
	Clusters map[string]Cluster
	Limits   Limits // zero ones are AWS's
}

// Service is the key management service of one appliance.
type Service struct {
	account string
	policy  string // the default key policy of the account
	token   hsm.Token
	db      store.DB
	clock   func() time.Time
	random  io.Reader

	root  rootKeys
	cache *store.Cache

	slow  gate          // making of RSA keys in the token
	pairs gate          // and on the host
	used  atomic.Uint64 // operations on key material so far
	pool  pool
	seeds seedTransport

	clusters    map[string]Cluster
	connections connections

	limits Limits
	grants *store.Cache // grants, and what grantees have; apart, for callers are many
	usages usages
}

// Create makes the keys that all others stand on: the domain key in the token
// and the sealing key wrapped under it. It refuses a store that has them.
//
// A crash between the two leaves a domain key in the token that nothing uses;
// the next Create makes another.
func Create(ctx context.Context, cfg Config) error {
	if err := cfg.DB.View(ctx, func(tx Tx) error { return refuseExisting(tx) }); err != nil {
		return err
	}
	root, err := newRootKeys(ctx, cfg)
	if err != nil {
		return err
	}
	return cfg.DB.Update(ctx, func(tx Tx) error {
		if err := refuseExisting(tx); err != nil {
			return err
		}
		return put(tx, rootPath, root)
	})
}

// ErrNoKeys: Open on a store that Create has not seen.
var ErrNoKeys = errors.New("no root keys in the store")

// A WrongTokenError says that the store was made with another token.
type WrongTokenError struct {
	Made, Present hsm.Info
	Reason        string
}

func (e *WrongTokenError) Error() string {
	return fmt.Sprintf("state was made with token %s, but token %s is here: %s", e.Made, e.Present, e.Reason)
}

// Open loads the service and proves that the token is the one the store was
// made with: its domain key is there and opens the sealing key. Otherwise the
// error is a [*WrongTokenError].
func Open(ctx context.Context, cfg Config) (*Service, error) {
	s := &Service{
		account: cfg.Account,
		policy:  defaultPolicy(cfg.Account),
		token:   cfg.Token,
		db:      cfg.DB,
		clock:   cfg.Clock,
		random:  cfg.Random,
		slow:    newGate(),
		pairs:   newGate(),
		pool:    pool{size: cfg.RSAPool},
		seeds:   seedTransport{lent: make(gate, 1)},

		clusters:    cfg.Clusters,
		connections: connections{open: make(map[string]hsm.Token), logins: newLogins(cfg.Clusters)},
	}
	err := cfg.DB.View(ctx, func(tx Tx) error { return get(tx, rootPath, &s.root) })
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNoKeys
	}
	if err != nil {
		return nil, err
	}
	if err := s.root.check(ctx, cfg.Token); err != nil {
		return nil, err
	}
	if err := s.takeBackUnmade(ctx); err != nil {
		return nil, err
	}
	s.cache = store.NewCache(cfg.DB, prefix, maxCached)
	s.limits = cfg.Limits.or(DefaultLimits)
	s.grants = store.NewCache(cfg.DB, grantCaches, maxCached)
	return s, nil
}

// Close ends the service's watch of the store and logs out of the tokens of custom
// key stores. It closes neither store nor token.
func (s *Service) Close() error {
	s.cache.Close()
	s.grants.Close()
	return s.connections.close()
}

// Account is the 12 digits in every ARN of this appliance.
func (s *Service) Account() string { return s.account }

// Check reports whether the token does its work now.
func (s *Service) Check(ctx context.Context) error {
	return s.token.Check(ctx, s.root.Domain)
}

// randomBytes reads from the host's generator: nonces and ids, which are public.
func (s *Service) randomBytes(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(s.random, b)
	return b, err
}
