package piv

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/go-piv/piv-go/v2/piv"
)

// Algorithm is a kind of key.
type Algorithm string

// Kinds of keys that are used here.
const (
	P256    Algorithm = "P-256"
	P384    Algorithm = "P-384"
	RSA2048 Algorithm = "RSA-2048"
	Ed25519 Algorithm = "Ed25519" // firmware 5.7 and later
)

// PINPolicy says when a key wants the PIN.
type PINPolicy string

// PIN policies. The last two are of cards with a fingerprint reader.
const (
	PINNever       PINPolicy = "never"
	PINOnce        PINPolicy = "once" // each time that the card is opened
	PINAlways      PINPolicy = "always"
	PINMatchOnce   PINPolicy = "match-once"
	PINMatchAlways PINPolicy = "match-always"
)

// pin reports whether the PIN is to be shown before the key is used. What is not
// known may need it.
func (p PINPolicy) pin() bool { return p == "" || p == PINOnce || p == PINAlways }

// TouchPolicy says when a key wants a touch.
type TouchPolicy string

// Touch policies. A touch of a cached key is good for 15 seconds.
const (
	TouchNever  TouchPolicy = "never"
	TouchAlways TouchPolicy = "always"
	TouchCached TouchPolicy = "cached"
)

var (
	algorithms = map[Algorithm]piv.Algorithm{
		P256: piv.AlgorithmEC256, P384: piv.AlgorithmEC384, RSA2048: piv.AlgorithmRSA2048, Ed25519: piv.AlgorithmEd25519,
	}
	pinPolicies = map[PINPolicy]piv.PINPolicy{
		PINNever: piv.PINPolicyNever, PINOnce: piv.PINPolicyOnce, PINAlways: piv.PINPolicyAlways,
		PINMatchOnce: piv.PINPolicyMatchOnce, PINMatchAlways: piv.PINPolicyMatchAlways,
	}
	touchPolicies = map[TouchPolicy]piv.TouchPolicy{
		TouchNever: piv.TouchPolicyNever, TouchAlways: piv.TouchPolicyAlways, TouchCached: piv.TouchPolicyCached,
	}
)

// named finds the name of a value; "" if it has none.
func named[N ~string, V comparable](names map[N]V, v V) N {
	for name, value := range names {
		if value == v {
			return name
		}
	}
	return ""
}

// AlgorithmOf names the kind of a public key; ErrAlgorithm for what is not used
// here.
func AlgorithmOf(public crypto.PublicKey) (Algorithm, error) {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return P256, nil
		case elliptic.P384():
			return P384, nil
		}
	case *rsa.PublicKey:
		if k.N.BitLen() == 2048 {
			return RSA2048, nil
		}
		return "", fmt.Errorf("RSA key of %d bits: %w", k.N.BitLen(), ErrAlgorithm)
	case ed25519.PublicKey:
		return Ed25519, nil
	case *ecdh.PublicKey:
		return "", fmt.Errorf("X25519: %w", ErrAlgorithm)
	}
	return "", fmt.Errorf("%T: %w", public, ErrAlgorithm)
}

// Key is what a card says of a key. Policies are "" where it does not say: older
// cards say nothing of keys that were imported.
type Key struct {
	Public      crypto.PublicKey
	PINPolicy   PINPolicy
	TouchPolicy TouchPolicy
	Imported    bool // made elsewhere, if the card says so; it cannot be attested
}

// Key asks what is in a slot; ErrNoKey if nothing is. Cards before 5.3 tell only
// of keys that were made on them, or have a certificate.
func (c *Card) Key(ctx context.Context, s Slot) (Key, error) {
	slot, err := s.slot()
	if err != nil {
		return Key{}, err
	}
	k, err := do(ctx, c, func(yk *piv.YubiKey) (Key, error) {
		if !c.atLeast(5, 3) {
			return attestedKey(yk, slot)
		}
		info, err := yk.KeyInfo(slot)
		if err != nil {
			return Key{}, explain(err)
		}
		return Key{
			info.PublicKey, named(pinPolicies, info.PINPolicy), named(touchPolicies, info.TouchPolicy), info.Origin == piv.OriginImported,
		}, nil
	})
	if err != nil {
		return Key{}, fmt.Errorf("slot %v: %w", s, err)
	}
	return k, nil
}

// attestedKey is what a card attests of a key, or else its certificate says.
func attestedKey(yk *piv.YubiKey, slot piv.Slot) (Key, error) {
	if attested, err := yk.Attest(slot); err == nil {
		pin, touch := policies(attested)
		return Key{Public: attested.PublicKey, PINPolicy: pin, TouchPolicy: touch}, nil
	} else if explained := explain(err); errors.Is(explained, ErrRemoved) {
		return Key{}, explained
	}
	certificate, err := yk.Certificate(slot)
	if err != nil {
		return Key{}, explain(err)
	}
	return Key{Public: certificate.PublicKey}, nil
}

func (c *Card) atLeast(major, minor int) bool {
	return c.version.Major > major || c.version.Major == major && c.version.Minor >= minor
}

// Public is the public key in a slot; errors as of [Card.Key].
func (c *Card) Public(ctx context.Context, s Slot) (crypto.PublicKey, error) {
	k, err := c.Key(ctx, s)
	return k.Public, err
}

// DefaultManagementKey is the one that cards have from the factory.
func DefaultManagementKey() []byte { return bytes.Clone(piv.DefaultManagementKey) }

// Generate makes a key on the card, in place of what is in the slot. Errors are
// ErrManagementKey and ErrAlgorithm, where the card does not have it. RSA takes a
// card many seconds.
func (c *Card) Generate(ctx context.Context, management []byte, s Slot, a Algorithm, pin PINPolicy, touch TouchPolicy) (crypto.PublicKey, error) {
	slot, err := s.slot()
	if err != nil {
		return nil, err
	}
	algorithm, pinPolicy, touchPolicy := algorithms[a], pinPolicies[pin], touchPolicies[touch]
	switch {
	case algorithm == 0 || a == Ed25519 && !c.atLeast(5, 7):
		return nil, fmt.Errorf("%q on a YubiKey %s: %w", string(a), c.info.Firmware, ErrAlgorithm)
	case pinPolicy == 0 || touchPolicy == 0:
		return nil, fmt.Errorf("PIN policy %q, touch policy %q: unknown", string(pin), string(touch))
	}
	return do(ctx, c, func(yk *piv.YubiKey) (crypto.PublicKey, error) {
		public, err := yk.GenerateKey(management, slot, piv.Key{Algorithm: algorithm, PINPolicy: pinPolicy, TouchPolicy: touchPolicy})
		if errors.Is(explain(err), ErrRemoved) {
			return nil, ErrRemoved
		}
		switch status(err) {
		case 0:
			if err != nil && bytes.Contains([]byte(err.Error()), []byte("authenticating with management key")) {
				return nil, ErrManagementKey
			}
		case statusSecurity:
			return nil, ErrManagementKey
		case statusData, statusFunction, statusP1P2:
			return nil, fmt.Errorf("%q on a YubiKey %s: %w", string(a), c.info.Firmware, ErrAlgorithm)
		}
		return public, explain(err)
	})
}

// Attest has the card say with its attestation key what is in a slot: the slot's
// certificate, and the card's own that certifies it. ErrNoAttestation where it
// cannot.
func (c *Card) Attest(ctx context.Context, s Slot) (slotCertificate, intermediate *x509.Certificate, err error) {
	slot, err := s.slot()
	if err != nil {
		return nil, nil, err
	}
	pair, err := do(ctx, c, func(yk *piv.YubiKey) ([2]*x509.Certificate, error) {
		of, err := yk.Attest(slot)
		switch st := status(err); {
		case err == nil:
		case errors.Is(err, piv.ErrNotFound), st == statusINS, st == statusFunction, st == statusP1P2:
			return [2]*x509.Certificate{}, ErrNoAttestation
		default:
			return [2]*x509.Certificate{}, explain(err)
		}
		by, err := yk.AttestationCertificate()
		if errors.Is(err, piv.ErrNotFound) {
			return [2]*x509.Certificate{}, ErrNoAttestation
		}
		return [2]*x509.Certificate{of, by}, explain(err)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("slot %v: %w", s, err)
	}
	return pair[0], pair[1], nil
}
