package kms

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/keyd-hsm/keyd/hsm"
)

// maxSeed is the block of SHA-1: up to it, a seed is its own key (RFC 2104, section 2).
const maxSeed = 64

// seedTransport is the pair that seeds go into the token by. It is made for the
// first of them and forgotten at the end: its envelopes never leave the process.
type seedTransport struct {
	lent   gate // guards the rest
	key    hsm.Key
	public *rsa.PublicKey
}

// WrapSeed brings the seed of one-time codes into the token, in an envelope, and
// gives it back wrapped under the domain key of that id, for [Service.SeedMAC].
// The seed, of at most 64 bytes, is the caller's to overwrite.
func (s *Service) WrapSeed(ctx context.Context, seed []byte) (domain string, wrapped []byte, err error) {
	if len(seed) == 0 || len(seed) > maxSeed {
		return "", nil, fmt.Errorf("seed of %d bytes: want 1 to %d", len(seed), maxSeed)
	}
	var key [maxSeed]byte
	defer clear(key[:])
	copy(key[:], seed)
	transport, public, err := s.seedTransport(ctx)
	if err != nil {
		return "", nil, fmt.Errorf("transport key: %w", err)
	}
	defer s.token.Forget(transport)
	sealed, err := rsa.EncryptOAEP(crypto.SHA1.New(), rand.Reader, public, key[:], nil) // the one hash that all tokens have
	if err != nil {
		return "", nil, err
	}
	wrapped, _, err = s.token.Import(ctx, s.root.Domain, hsm.HMACSHA1, 0, hsm.Envelope{Transport: transport, Key: sealed})
	return s.root.Domain, wrapped, err
}

// SeedMAC computes HMAC-SHA-1 of data in the token, with a seed that WrapSeed
// wrapped.
func (s *Service) SeedMAC(ctx context.Context, domain string, wrapped, data []byte) ([]byte, error) {
	s.used.Add(1)
	return s.token.MAC(ctx, seedKey(domain, wrapped), data)
}

// ForgetSeed destroys the token's working copy of a seed.
func (s *Service) ForgetSeed(domain string, wrapped []byte) { s.token.Forget(seedKey(domain, wrapped)) }

func seedKey(domain string, wrapped []byte) hsm.Key {
	return hsm.Key{Type: hsm.HMACSHA1, Domain: domain, Wrapped: wrapped}
}

// seedTransport lends the pair, and makes it the first time.
func (s *Service) seedTransport(ctx context.Context) (hsm.Key, *rsa.PublicKey, error) {
	t := &s.seeds
	if err := t.lent.enter(ctx); err != nil {
		return hsm.Key{}, nil, err
	}
	defer t.lent.leave()
	if t.public != nil {
		return t.key, t.public, nil
	}
	const spec = "RSA_2048"
	pair, err := s.transportPair(ctx, spec)
	if err != nil {
		return hsm.Key{}, nil, err
	}
	public, err := ParsePublic(spec, pair.Public)
	if err != nil {
		return hsm.Key{}, nil, err
	}
	t.key = hsm.Key{Type: specs[spec].kind, Use: hsm.Transport, Domain: pair.Domain, Wrapped: pair.Wrapped}
	t.public = public.(*rsa.PublicKey)
	return t.key, t.public, nil
}
