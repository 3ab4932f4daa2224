package pivtest

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
)

// curve is one of the NIST curves, for signatures and for agreement.
type curve struct {
	dsa  elliptic.Curve
	dh   ecdh.Curve
	size int // of a scalar, in bytes
}

var (
	p256Curve = curve{elliptic.P256(), ecdh.P256(), 32}
	p384Curve = curve{elliptic.P384(), ecdh.P384(), 48}
)

// ecKey signs (ECDSA) and agrees on secrets (ECDH).
type ecKey struct {
	curve curve
	dsa   *ecdsa.PrivateKey
	dh    *ecdh.PrivateKey
}

func (c curve) generate() (private, error) {
	k, err := ecdsa.GenerateKey(c.dsa, rand.Reader)
	if err != nil {
		return nil, err
	}
	dh, err := k.ECDH()
	return ecKey{c, k, dh}, err
}

// load makes a key of its scalar, which must be between 1 and the order of the
// curve.
func (c curve) load(f fields) (private, bool) {
	v := f[tagScalar]
	if len(f) != 1 || len(v) != c.size {
		return nil, false
	}
	k, err := ecdsa.ParseRawPrivateKey(c.dsa, v)
	if err != nil {
		return nil, false
	}
	dh, err := k.ECDH()
	return ecKey{c, k, dh}, err == nil
}

func (k ecKey) key() crypto.PrivateKey   { return k.dsa }
func (k ecKey) public() crypto.PublicKey { return &k.dsa.PublicKey }

func (k ecKey) publicTLV() []byte {
	return appendTLV(nil, tagPoint, k.dh.PublicKey().Bytes())
}

func (k ecKey) operation(tag uint32, data []byte) (func() ([]byte, error), bool) {
	switch {
	case tag == tagChallenge && len(data) > 0 && len(data) <= k.curve.size:
		return func() ([]byte, error) { return ecdsa.SignASN1(rand.Reader, k.dsa, data) }, true
	case tag == tagExponent:
		peer, err := k.curve.dh.NewPublicKey(data)
		return func() ([]byte, error) { return k.dh.ECDH(peer) }, err == nil
	}
	return nil, false
}
