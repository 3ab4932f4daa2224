package kms

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/keyd-hsm/keyd/hsm"
)

// seedTypes are the keys that seeds become, by the hash of their codes. Each is as
// long as the hash's block; the longest, of 128 bytes, fits into RSA-2048 with OAEP
// and SHA-1, which takes 214.
var seedTypes = map[crypto.Hash]hsm.KeyType{
	crypto.SHA1: hsm.HMACSHA1, crypto.SHA256: hsm.SeedSHA256, crypto.SHA512: hsm.SeedSHA512,
}

// seedTransport is the pair that seeds go into the token by. It is made for the
// first of them and forgotten at the end: its envelopes never leave the process.
type seedTransport struct {
	lent   gate // guards the rest
	key    hsm.Key
	public *rsa.PublicKey
}

// WrapSeed brings the seed of one-time codes with that hash (SHA-1, SHA-256 or
// SHA-512) into the token, in an envelope, and gives it back wrapped under the
// domain key of that id, for [Service.SeedMAC]. The seed is the caller's to overwrite.
func (s *Service) WrapSeed(ctx context.Context, hash crypto.Hash, seed []byte) (domain string, wrapped []byte, err error) {
	of, ok := seedTypes[hash]
	if !ok || len(seed) == 0 {
		return "", nil, fmt.Errorf("seed of %d bytes for hash %d: %w", len(seed), hash, hsm.ErrUnsupported)
	}
	key := seedBlock(hash, seed)
	defer clear(key)
	transport, public, err := s.seedTransport(ctx)
	if err != nil {
		return "", nil, fmt.Errorf("transport key: %w", err)
	}
	defer s.token.Forget(transport)
	sealed, err := rsa.EncryptOAEP(crypto.SHA1.New(), rand.Reader, public, key, nil) // the one hash that all tokens have
	if err != nil {
		return "", nil, err
	}
	wrapped, _, err = s.token.Import(ctx, s.root.Domain, of, 0, hsm.Envelope{Transport: transport, Key: sealed})
	return s.root.Domain, wrapped, err
}

// seedBlock makes a seed as long as the hash's block, without a change to the MACs
// that it computes (RFC 2104, section 2): filled up with zeros, or if it is longer
// hashed first. Tokens take keys of one length, and not all take short ones.
func seedBlock(hash crypto.Hash, seed []byte) []byte {
	h := hash.New()
	key := make([]byte, h.BlockSize())
	if len(seed) <= len(key) {
		copy(key, seed)
		return key
	}
	h.Write(seed)
	h.Sum(key[:0])
	return key
}

// SeedMAC computes an HMAC of data in the token, with a seed that WrapSeed wrapped
// for that hash.
func (s *Service) SeedMAC(ctx context.Context, hash crypto.Hash, domain string, wrapped, data []byte) ([]byte, error) {
	s.used.Add(1)
	return s.token.MAC(ctx, seedKey(hash, domain, wrapped), data)
}

// ForgetSeed destroys the token's working copy of a seed.
func (s *Service) ForgetSeed(hash crypto.Hash, domain string, wrapped []byte) {
	s.token.Forget(seedKey(hash, domain, wrapped))
}

// DropSeed notes that wrapped seeds are deleted with this transaction: after it
// [Service.Scrub] overwrites what they have left on the medium, as it does for keys.
func (s *Service) DropSeed(tx Tx) error { return tx.Put(scrubPath, nil) }

func seedKey(hash crypto.Hash, domain string, wrapped []byte) hsm.Key {
	return hsm.Key{Type: seedTypes[hash], Domain: domain, Wrapped: wrapped}
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
