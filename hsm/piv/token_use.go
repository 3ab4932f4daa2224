package piv

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k1ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/keyd-hsm/keyd/hsm"
)

// MAC computes the HMAC of data with the hash of k's type.
func (t *Token) MAC(ctx context.Context, k hsm.Key, data []byte) ([]byte, error) {
	if err := t.may(ctx, k, !(tokenKind{k.Type, k.Use}).pair(), "computes MACs"); err != nil {
		return nil, err
	}
	var key [secretSize]byte
	defer clear(key[:])
	n, err := t.secretOf(k, &key)
	if err != nil {
		return nil, err
	}
	h := hmac.New(keyForms[k.Type].hash.New, key[:n])
	h.Write(data)
	return h.Sum(nil), nil
}

// may refuses a key that is not for what it is asked to do.
func (t *Token) may(ctx context.Context, k hsm.Key, fits bool, does string) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	if err := usableKey(k); err != nil {
		return err
	}
	if !fits {
		return fmt.Errorf("key: %v is not one that %s", tokenKind{k.Type, k.Use}, does)
	}
	return nil
}

// signingHashes are what is signed with RSA and ECDSA.
var signingHashes = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}

// checkSigning refuses a scheme that is not one of the key's, and a digest that is
// none of its hash.
func checkSigning(k hsm.Key, a hsm.Signing, input []byte) error {
	f := keyForms[k.Type]
	switch {
	case f.curve == curveEdwards && a == (hsm.Signing{Scheme: hsm.EdDSA}):
		return nil
	case f.curve == curveEdwards, !slices.Contains(signingHashes, a.Hash),
		f.bits > 0 && a.Scheme != hsm.PKCS1v15 && a.Scheme != hsm.PSS,
		f.bits == 0 && a.Scheme != hsm.ECDSA:
		return fmt.Errorf("signing with %v, scheme %d and hash %d: %w", tokenKind{k.Type, k.Use}, a.Scheme, a.Hash, hsm.ErrUnsupported)
	case len(input) != a.Hash.Size():
		return fmt.Errorf("digest of %d bytes, %v has %d", len(input), a.Hash, a.Hash.Size())
	}
	return nil
}

// Sign signs a digest, or with EdDSA a message.
func (t *Token) Sign(ctx context.Context, k hsm.Key, a hsm.Signing, input []byte) ([]byte, error) {
	if err := t.may(ctx, k, k.Use == hsm.Sign, "signs"); err != nil {
		return nil, err
	}
	if err := checkSigning(k, a, input); err != nil {
		return nil, err
	}
	p, err := t.pairOf(k)
	if err != nil {
		return nil, err
	}
	switch p := p.(type) {
	case *rsa.PrivateKey:
		if a.Scheme == hsm.PSS {
			return rsa.SignPSS(rand.Reader, p, a.Hash, input, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(rand.Reader, p, a.Hash, input)
	case *ecdsa.PrivateKey:
		return ecdsa.SignASN1(rand.Reader, p, input)
	case *secp256k1.PrivateKey:
		// A longer digest loses its last bytes (FIPS 186-5, section 6.4.1); the
		// package truncates nothing.
		return k1ecdsa.Sign(p, input[:32]).Serialize(), nil
	case ed25519.PrivateKey:
		return ed25519.Sign(p, input), nil
	}
	return nil, fmt.Errorf("private key is a %T", p)
}

// Derive is ECDH.
func (t *Token) Derive(ctx context.Context, k hsm.Key, point []byte) ([]byte, error) {
	if err := t.may(ctx, k, k.Use == hsm.Derive, "derives"); err != nil {
		return nil, err
	}
	peer, err := keyForms[k.Type].ecdh.NewPublicKey(point)
	if err != nil {
		return nil, errors.New("point is not on the curve")
	}
	p, err := t.pairOf(k)
	if err != nil {
		return nil, err
	}
	private, ok := p.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("private key is a %T", p)
	}
	exchange, err := private.ECDH()
	if err != nil {
		return nil, err
	}
	return exchange.ECDH(peer)
}

// Decrypt is the RSA private operation without padding.
func (t *Token) Decrypt(ctx context.Context, k hsm.Key, ciphertext []byte) ([]byte, error) {
	if err := t.may(ctx, k, k.Use == hsm.Decrypt || k.Use == hsm.Transport, "decrypts"); err != nil {
		return nil, err
	}
	if n := keyForms[k.Type].bits / 8; len(ciphertext) != n {
		return nil, fmt.Errorf("ciphertext of %d bytes, the modulus has %d", len(ciphertext), n)
	}
	p, err := t.pairOf(k)
	if err != nil {
		return nil, err
	}
	private, ok := p.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("private key is a %T", p)
	}
	return rsaPrivate(private, ciphertext)
}

// rsaPrivate is RSADP (RFC 8017, section 5.1.2), which Go has only together with a
// padding. The time that math/big takes tells of its operands, so the ciphertext
// is blinded by a random number (Kocher 1996), and the exponent works on that. The
// outcome is checked: a fault would give the primes away (Boneh, DeMillo, Lipton
// 1997).
func rsaPrivate(p *rsa.PrivateKey, ciphertext []byte) ([]byte, error) {
	c := new(big.Int).SetBytes(ciphertext)
	if c.Cmp(p.N) >= 0 {
		return nil, errors.New("ciphertext is not less than the modulus")
	}
	e := big.NewInt(int64(p.E))
	var r, inverse *big.Int
	for inverse == nil {
		var err error
		if r, err = rand.Int(rand.Reader, p.N); err != nil {
			return nil, err
		}
		inverse = new(big.Int).ModInverse(r, p.N) // nil for zero and multiples of a prime
	}
	blind := new(big.Int).Exp(r, e, p.N)
	blind.Mod(blind.Mul(blind, c), p.N)
	m := new(big.Int).Exp(blind, p.D, p.N)
	if new(big.Int).Exp(m, e, p.N).Cmp(blind) != 0 {
		return nil, errors.New("RSA: wrong result")
	}
	m.Mod(m.Mul(m, inverse), p.N)
	return m.FillBytes(make([]byte, p.Size())), nil
}
