package pivtest

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
)

// edKey signs whole messages (Ed25519, RFC 8032).
type edKey struct{ private ed25519.PrivateKey }

func generateEd25519() (private, error) {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	return edKey{k}, err
}

func loadEd25519(f fields) (private, bool) {
	seed := f[tagSeedEd25519]
	if len(f) != 1 || len(seed) != ed25519.SeedSize {
		return nil, false
	}
	return edKey{ed25519.NewKeyFromSeed(seed)}, true
}

func (k edKey) key() crypto.PrivateKey   { return k.private }
func (k edKey) public() crypto.PublicKey { return k.private.Public() }

func (k edKey) publicTLV() []byte {
	return appendTLV(nil, tagPoint, k.private[ed25519.SeedSize:])
}

func (k edKey) operation(tag uint32, data []byte) (func() ([]byte, error), bool) {
	return func() ([]byte, error) { return ed25519.Sign(k.private, data), nil }, tag == tagChallenge
}

// xKey agrees on secrets (X25519, RFC 7748).
type xKey struct{ private *ecdh.PrivateKey }

func generateX25519() (private, error) {
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	return xKey{k}, err
}

func loadX25519(f fields) (private, bool) {
	k, err := ecdh.X25519().NewPrivateKey(f[tagSeedX25519])
	return xKey{k}, len(f) == 1 && err == nil
}

func (k xKey) key() crypto.PrivateKey   { return k.private }
func (k xKey) public() crypto.PublicKey { return k.private.PublicKey() }

func (k xKey) publicTLV() []byte {
	return appendTLV(nil, tagPoint, k.private.PublicKey().Bytes())
}

// operation refuses points that would make the secret zero.
func (k xKey) operation(tag uint32, data []byte) (func() ([]byte, error), bool) {
	peer, err := ecdh.X25519().NewPublicKey(data)
	if tag != tagExponent || err != nil {
		return nil, false
	}
	secret, err := k.private.ECDH(peer)
	return func() ([]byte, error) { return secret, nil }, err == nil
}
