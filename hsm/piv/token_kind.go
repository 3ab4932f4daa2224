package piv

import (
	"crypto"
	"crypto/ecdh"
	"crypto/elliptic"
	_ "crypto/sha1" // of HMAC-SHA-1, for one-time codes, and of OAEP
	_ "crypto/sha256"
	_ "crypto/sha512" // the hashes of MACs and signatures
	"fmt"

	"github.com/keyd-hsm/keyd/hsm"
)

// tokenKind is what a key of a token is and, for a pair, what it may do.
type tokenKind struct {
	of  hsm.KeyType
	use hsm.Use
}

// keyForm says what the keys of a type look like: exactly one of hash, bits and
// curve is set.
type keyForm struct {
	// name stands in what is stored: it never changes.
	name string
	// hash is what a secret computes MACs with, size its length in bytes.
	hash crypto.Hash
	size int
	// bits is the length of an RSA modulus.
	bits  int
	curve keyCurve
	// nist is the curve where it is one of NIST's, and ecdh the same for key
	// agreement.
	nist elliptic.Curve
	ecdh ecdh.Curve
}

type keyCurve int

const (
	curveNIST keyCurve = iota + 1
	curveK1
	curveEdwards
)

var keyForms = map[hsm.KeyType]keyForm{
	hsm.HMACSHA1:   {name: "HMAC-SHA-1", hash: crypto.SHA1, size: 64},
	hsm.HMACSHA224: {name: "HMAC-SHA-224", hash: crypto.SHA224, size: 28},
	hsm.HMACSHA256: {name: "HMAC-SHA-256", hash: crypto.SHA256, size: 32},
	hsm.HMACSHA384: {name: "HMAC-SHA-384", hash: crypto.SHA384, size: 48},
	hsm.HMACSHA512: {name: "HMAC-SHA-512", hash: crypto.SHA512, size: 64},
	hsm.SeedSHA256: {name: "HMAC-SHA-256 seed", hash: crypto.SHA256, size: 64},
	hsm.SeedSHA512: {name: "HMAC-SHA-512 seed", hash: crypto.SHA512, size: 128},
	hsm.RSA2048:    {name: "RSA-2048", bits: 2048},
	hsm.RSA3072:    {name: "RSA-3072", bits: 3072},
	hsm.RSA4096:    {name: "RSA-4096", bits: 4096},
	hsm.P256:       {name: "P-256", curve: curveNIST, nist: elliptic.P256(), ecdh: ecdh.P256()},
	hsm.P384:       {name: "P-384", curve: curveNIST, nist: elliptic.P384(), ecdh: ecdh.P384()},
	hsm.P521:       {name: "P-521", curve: curveNIST, nist: elliptic.P521(), ecdh: ecdh.P521()},
	hsm.Secp256k1:  {name: "secp256k1", curve: curveK1},
	hsm.Ed25519:    {name: "Ed25519", curve: curveEdwards},
}

func (k tokenKind) form() keyForm { return keyForms[k.of] }

// pair reports whether k is a key pair.
func (k tokenKind) pair() bool { return k.form().hash == 0 }

// String names a kind for people.
func (k tokenKind) String() string {
	f, ok := keyForms[k.of]
	if !ok {
		return fmt.Sprintf("key type %d", k.of)
	}
	return fmt.Sprintf("%s key of use %d", f.name, k.use)
}

// check refuses types and uses that do not exist, or not together.
func (k tokenKind) check() error {
	f, ok := keyForms[k.of]
	switch {
	case !ok:
	case f.hash != 0 && k.use == 0,
		f.bits > 0 && (k.use == hsm.Sign || k.use == hsm.Decrypt || k.use == hsm.Transport),
		f.curve != 0 && k.use == hsm.Sign,
		f.ecdh != nil && k.use == hsm.Derive:
		return nil
	}
	return fmt.Errorf("%v: %w", k, hsm.ErrUnsupported)
}

// checkPair is check for pairs only, and checkSecret for secrets.
func (k tokenKind) checkPair() error {
	if k.check() == nil && k.pair() {
		return nil
	}
	return fmt.Errorf("pair of %v: %w", k, hsm.ErrUnsupported)
}

func (k tokenKind) checkSecret() error {
	if k.check() == nil && !k.pair() {
		return nil
	}
	return fmt.Errorf("secret of %v: %w", k, hsm.ErrUnsupported)
}
