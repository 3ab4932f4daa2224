package piv

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"

	"github.com/go-piv/piv-go/v2/piv"
)

// hashes are what a message is hashed with before a key signs it; Ed25519 signs
// the message itself.
var hashes = map[Algorithm]crypto.Hash{P256: crypto.SHA256, P384: crypto.SHA384, RSA2048: crypto.SHA256}

// SignMessage signs a message as a security key does for keyd: P-256 over SHA-256
// and P-384 over SHA-384 of it (ECDSA, DER), RSA-2048 over SHA-256
// (RSASSA-PKCS1-v1_5), Ed25519 the message itself. Otherwise it is [Card.Sign].
func (c *Card) SignMessage(ctx context.Context, s Slot, pin PIN, public crypto.PublicKey, message []byte) ([]byte, error) {
	a, err := AlgorithmOf(public)
	if err != nil {
		return nil, err
	}
	switch hashes[a] {
	case crypto.SHA256:
		digest := sha256.Sum256(message)
		message = digest[:]
	case crypto.SHA384:
		digest := sha512.Sum384(message)
		message = digest[:]
	}
	return c.Sign(ctx, s, pin, public, message)
}

// Sign signs a digest with the key in a slot, or for Ed25519 a message. It shows
// the PIN if the key wants it, and waits for a touch if it wants that: tell the
// person before. The slot must have the key that public is; ErrOtherKey else, and
// the PIN is not used up on it. Other errors: ErrNoKey, ErrTouch, ErrPINNeeded and
// those of [Card.VerifyPIN].
func (c *Card) Sign(ctx context.Context, s Slot, pin PIN, public crypto.PublicKey, digest []byte) ([]byte, error) {
	a, err := AlgorithmOf(public)
	if err != nil {
		return nil, err
	}
	hash := hashes[a]
	if hash != 0 && len(digest) != hash.Size() {
		return nil, fmt.Errorf("digest of %d bytes for a key that signs %v", len(digest), hash)
	}
	return c.use(ctx, s, pin, public, func(key crypto.PrivateKey) ([]byte, error) {
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, ErrAlgorithm
		}
		return signer.Sign(rand.Reader, digest, hash)
	})
}

// use lets fn use the private key in a slot, after the PIN where that is wanted.
func (c *Card) use(ctx context.Context, s Slot, pin PIN, public crypto.PublicKey, fn func(crypto.PrivateKey) ([]byte, error)) ([]byte, error) {
	slot, err := s.slot()
	if err != nil {
		return nil, err
	}
	k, err := c.Key(ctx, s)
	if err != nil {
		return nil, err
	}
	if same, ok := public.(interface{ Equal(crypto.PublicKey) bool }); !ok || !same.Equal(k.Public) {
		return nil, fmt.Errorf("slot %v: %w", s, ErrOtherKey)
	}
	if k.PINPolicy.pin() {
		if err := c.VerifyPIN(ctx, pin); err != nil {
			return nil, err
		}
	}
	out, err := do(ctx, c, func(yk *piv.YubiKey) ([]byte, error) {
		// The PIN was shown above; piv-go needs to know only of fingerprints.
		auth := piv.KeyAuth{PINPolicy: piv.PINPolicyNever}
		if k.PINPolicy == PINMatchOnce || k.PINPolicy == PINMatchAlways {
			auth.PINPolicy = pinPolicies[k.PINPolicy]
		}
		key, err := yk.PrivateKey(slot, public, auth)
		if err != nil {
			return nil, explain(err)
		}
		out, err := fn(key)
		if status(err) == statusSecurity && k.TouchPolicy != TouchNever {
			return nil, ErrTouch // all else that it could be was shown
		}
		return out, explain(err)
	})
	if err != nil {
		return nil, fmt.Errorf("slot %v: %w", s, err)
	}
	return out, nil
}
