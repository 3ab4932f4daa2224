package piv

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/keyd-hsm/keyd/hsm"
)

// pair is the private key of a pair: *rsa.PrivateKey, *ecdsa.PrivateKey,
// *secp256k1.PrivateKey or ed25519.PrivateKey.
type pair any

// newPair makes a private key.
func newPair(f keyForm) (pair, error) {
	switch {
	case f.bits > 0:
		return rsa.GenerateKey(rand.Reader, f.bits)
	case f.curve == curveNIST:
		return ecdsa.GenerateKey(f.nist, rand.Reader)
	case f.curve == curveK1:
		return secp256k1.GeneratePrivateKeyFromRand(rand.Reader)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return private, err
}

// material is the form of a private key that is wrapped: RSA as PKCS #1 (RFC 8017,
// appendix A.1.2), others as the scalar or seed, as long as the curve's order.
func material(p pair) ([]byte, error) {
	switch p := p.(type) {
	case *rsa.PrivateKey:
		return x509.MarshalPKCS1PrivateKey(p), nil
	case *ecdsa.PrivateKey:
		return p.Bytes()
	case *secp256k1.PrivateKey:
		return p.Serialize(), nil
	case ed25519.PrivateKey:
		return p.Seed(), nil
	}
	return nil, fmt.Errorf("private key is a %T", p)
}

// errMaterial: what was unwrapped, or imported, is no key of the form.
var errMaterial = errors.New("no key of this type")

// parsePair undoes material.
func parsePair(f keyForm, m []byte) (pair, error) {
	switch {
	case f.bits > 0:
		p, err := x509.ParsePKCS1PrivateKey(m)
		if err != nil {
			return nil, errMaterial
		}
		return p, checkRSA(f, p)
	case f.curve == curveNIST:
		p, err := ecdsa.ParseRawPrivateKey(f.nist, m)
		if err != nil {
			return nil, errMaterial
		}
		return p, nil
	case f.curve == curveK1:
		return parseK1(m)
	}
	if len(m) != ed25519.SeedSize {
		return nil, errMaterial
	}
	return ed25519.NewKeyFromSeed(m), nil
}

// checkRSA refuses keys that are not of the form's length, or that Go does not
// work with safely.
func checkRSA(f keyForm, p *rsa.PrivateKey) error {
	if p.N.BitLen() != f.bits || len(p.Primes) != 2 || p.E < 3 || p.E&1 == 0 || p.Validate() != nil {
		return errMaterial
	}
	return nil
}

func parseK1(m []byte) (pair, error) {
	var scalar secp256k1.ModNScalar
	defer scalar.Zero()
	if len(m) != 32 || scalar.SetByteSlice(m) || scalar.IsZero() {
		return nil, errMaterial
	}
	return secp256k1.NewPrivateKey(&scalar), nil
}

// publicOf is the SubjectPublicKeyInfo of a private key.
func publicOf(p pair) ([]byte, error) {
	switch p := p.(type) {
	case *rsa.PrivateKey:
		return x509.MarshalPKIXPublicKey(&p.PublicKey)
	case *ecdsa.PrivateKey:
		return x509.MarshalPKIXPublicKey(&p.PublicKey)
	case ed25519.PrivateKey:
		return x509.MarshalPKIXPublicKey(p.Public())
	case *secp256k1.PrivateKey:
		point := p.PubKey().SerializeUncompressed()
		return asn1.Marshal(struct {
			Algorithm curveAlgorithm
			Key       asn1.BitString
		}{onK1, asn1.BitString{Bytes: point, BitLength: 8 * len(point)}})
	}
	return nil, fmt.Errorf("private key is a %T", p)
}

// curveAlgorithm is the AlgorithmIdentifier of keys on curves (RFC 5480, section
// 2.1.1).
type curveAlgorithm struct{ ID, Curve asn1.ObjectIdentifier }

// onK1 says that a key is on secp256k1 (SEC 2, section 2.4.1).
var onK1 = curveAlgorithm{asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, asn1.ObjectIdentifier{1, 3, 132, 0, 10}}

// made is a key pair in the form in which it leaves.
type made struct{ material, public []byte }

// makePair makes a pair, at most a few at a time, and waits no longer than ctx.
func (t *Token) makePair(ctx context.Context, k tokenKind) (made, error) {
	select {
	case t.makers <- struct{}{}:
	case <-ctx.Done():
		return made{}, ctx.Err()
	}
	if err := t.beginMaking(); err != nil {
		<-t.makers
		return made{}, err
	}
	type result struct {
		made
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer t.making.Done()
		defer func() { <-t.makers }()
		m, err := makePair(k.form())
		done <- result{m, err}
	}()
	select {
	case r := <-done:
		return r.made, r.err
	case <-ctx.Done():
		return made{}, ctx.Err()
	}
}

// beginMaking counts a pair that is being made, which Close waits for. None begins
// once the token is closed, so that Close does not wait for what comes after it.
func (t *Token) beginMaking() error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.open(); err != nil {
		return err
	}
	t.making.Add(1)
	return nil
}

func makePair(f keyForm) (m made, err error) {
	p, err := newPair(f)
	if err != nil {
		return m, err
	}
	if m.public, err = publicOf(p); err != nil {
		return m, err
	}
	m.material, err = material(p)
	return m, err
}

// GeneratePair makes a pair and returns the private key wrapped.
func (t *Token) GeneratePair(ctx context.Context, domain string, of hsm.KeyType, u hsm.Use) (wrapped, public []byte, err error) {
	k := tokenKind{of, u}
	if err := t.begin(ctx); err != nil {
		return nil, nil, err
	}
	if err := k.checkPair(); err != nil {
		return nil, nil, err
	}
	// A domain key that is not there is told before seconds are spent.
	if err := t.Check(ctx, domain); err != nil {
		return nil, nil, err
	}
	m, err := t.makePair(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	wrapped, err = t.wrap(domain, k, m.material)
	return wrapped, m.public, err
}
