package piv

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"

	"github.com/keyd-hsm/keyd/hsm"
)

// Import opens an envelope and wraps what is in it. Whatever keeps an envelope from
// opening is ErrWrapped, and no more is told of it.
func (t *Token) Import(ctx context.Context, domain string, of hsm.KeyType, u hsm.Use, e hsm.Envelope) (wrapped, public []byte, err error) {
	k := tokenKind{of, u}
	if err := t.begin(ctx); err != nil {
		return nil, nil, err
	}
	if err := k.check(); err != nil {
		return nil, nil, err
	}
	if err := t.may(ctx, e.Transport, e.Transport.Use == hsm.Transport, "opens envelopes"); err != nil {
		return nil, nil, err
	}
	if len(e.Body) == 0 && k.pair() {
		return nil, nil, fmt.Errorf("envelope: no body, where the %v would be", k)
	}
	if err := t.Check(ctx, domain); err != nil {
		return nil, nil, err
	}
	content, err := t.openEnvelope(e)
	if err != nil {
		return nil, nil, err
	}
	defer clear(content)
	if !k.pair() {
		if len(content) != k.form().size {
			return nil, nil, fmt.Errorf("secret of %d bytes for %v: %w", len(content), k, hsm.ErrMaterial)
		}
		wrapped, err := t.wrap(domain, k, content)
		return wrapped, nil, err
	}
	m, err := importPair(k.form(), content)
	if err != nil {
		return nil, nil, fmt.Errorf("import of %v: %w: %w", k, hsm.ErrMaterial, err)
	}
	wrapped, err = t.wrap(domain, k, m.material)
	return wrapped, m.public, err
}

// openEnvelope is what an envelope holds. The caller wipes it.
func (t *Token) openEnvelope(e hsm.Envelope) ([]byte, error) {
	p, err := t.pairOf(e.Transport)
	if err != nil {
		return nil, fmt.Errorf("transport key: %w", err)
	}
	private, ok := p.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("transport key is a %T", p)
	}
	// OAEP does not rest on collisions.
	key, err := rsa.DecryptOAEP(crypto.SHA1.New(), nil, private, e.Key, nil)
	if err != nil {
		return nil, fmt.Errorf("envelope: %w", hsm.ErrWrapped)
	}
	if len(e.Body) == 0 {
		return key, nil
	}
	defer clear(key)
	if len(key) != keySize {
		return nil, fmt.Errorf("envelope: %w", hsm.ErrWrapped)
	}
	content, ok := unwrapKWP(key, e.Body)
	if !ok {
		return nil, fmt.Errorf("envelope: %w", hsm.ErrWrapped)
	}
	return content, nil
}

// importPair reads a PKCS #8 PrivateKeyInfo (RFC 5208) of the form.
func importPair(f keyForm, p8 []byte) (m made, err error) {
	p, err := parsePKCS8(f, p8)
	if err != nil {
		return m, err
	}
	if m.public, err = publicOf(p); err != nil {
		return m, err
	}
	m.material, err = material(p)
	return m, err
}

func parsePKCS8(f keyForm, p8 []byte) (pair, error) {
	if f.curve == curveK1 {
		return parsePKCS8K1(p8)
	}
	if len(p8) > maxWrapped-wrapOverhead {
		return nil, errMaterial
	}
	p, err := x509.ParsePKCS8PrivateKey(p8)
	if err != nil {
		return nil, errMaterial
	}
	switch p := p.(type) {
	case *rsa.PrivateKey:
		if f.bits == 0 {
			return nil, errMaterial
		}
		return p, checkRSA(f, p)
	case *ecdsa.PrivateKey:
		if p.Curve != f.nist {
			return nil, errMaterial
		}
		return p, nil
	case ed25519.PrivateKey:
		if f.curve != curveEdwards {
			return nil, errMaterial
		}
		return p, nil
	}
	return nil, errMaterial
}

// parsePKCS8K1 reads a key on secp256k1, a curve that Go does not know, within it
// an ECPrivateKey (RFC 5915).
func parsePKCS8K1(p8 []byte) (pair, error) {
	var outer struct {
		Version    int
		Algorithm  curveAlgorithm
		Key        []byte
		Attributes asn1.RawValue `asn1:"optional,tag:0"`
	}
	var inner struct {
		Version int
		Key     []byte
		Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
		Public  asn1.BitString        `asn1:"optional,explicit,tag:1"`
	}
	if rest, err := asn1.Unmarshal(p8, &outer); err != nil || len(rest) > 0 {
		return nil, errMaterial
	}
	if rest, err := asn1.Unmarshal(outer.Key, &inner); err != nil || len(rest) > 0 {
		return nil, errMaterial
	}
	if !outer.Algorithm.ID.Equal(onK1.ID) || !outer.Algorithm.Curve.Equal(onK1.Curve) ||
		inner.Version != 1 || inner.Curve != nil && !inner.Curve.Equal(onK1.Curve) {
		return nil, errMaterial
	}
	return parseK1(inner.Key)
}
