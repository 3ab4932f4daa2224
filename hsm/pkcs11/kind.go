package pkcs11

import (
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// kind is what a key is and, for the private key of a pair, what it may do.
type kind struct {
	of  hsm.KeyType
	use hsm.Use
}

// shape says what the keys of a type look like: exactly one of secret, bits and
// curve is set.
type shape struct {
	name string
	// secret is the length of a secret, in bytes, hmac what it computes, and sum
	// the length of that; 0 where it is that of the secret.
	secret int
	hmac   uint
	sum    int
	// bits is the length of an RSA modulus.
	bits  int
	curve *curve
}

var shapes = map[hsm.KeyType]shape{
	hsm.HMACSHA1:   {name: "HMAC-SHA-1 key", secret: 64, hmac: p11.CKM_SHA_1_HMAC, sum: 20},
	hsm.SeedSHA256: {name: "seed for HMAC-SHA-256", secret: 64, hmac: p11.CKM_SHA256_HMAC, sum: 32},
	hsm.SeedSHA512: {name: "seed for HMAC-SHA-512", secret: 128, hmac: p11.CKM_SHA512_HMAC, sum: 64},
	hsm.HMACSHA224: {name: "HMAC-SHA-224 key", secret: 28, hmac: p11.CKM_SHA224_HMAC},
	hsm.HMACSHA256: {name: "HMAC-SHA-256 key", secret: 32, hmac: p11.CKM_SHA256_HMAC},
	hsm.HMACSHA384: {name: "HMAC-SHA-384 key", secret: 48, hmac: p11.CKM_SHA384_HMAC},
	hsm.HMACSHA512: {name: "HMAC-SHA-512 key", secret: 64, hmac: p11.CKM_SHA512_HMAC},
	hsm.RSA2048:    {name: "RSA-2048 key", bits: 2048},
	hsm.RSA3072:    {name: "RSA-3072 key", bits: 3072},
	hsm.RSA4096:    {name: "RSA-4096 key", bits: 4096},
	hsm.P256:       {name: "P-256 key", curve: &p256},
	hsm.P384:       {name: "P-384 key", curve: &p384},
	hsm.P521:       {name: "P-521 key", curve: &p521},
	hsm.Secp256k1:  {name: "secp256k1 key", curve: &secp256k1Curve},
	hsm.Ed25519:    {name: "Ed25519 key", curve: &edwards25519},
}

// Mechanisms of PKCS#11 3.0, and its key type, that the driver does not know.
const (
	mechanismEdwardsKeyPairGen = 0x1055
	mechanismEdDSA             = 0x1057
	keyTypeEdwards             = 0x40
)

func (k kind) shape() shape { return shapes[k.of] }

// String names a kind for people.
func (k kind) String() string {
	s, ok := shapes[k.of]
	if !ok {
		return fmt.Sprintf("key type %d", k.of)
	}
	switch k.use {
	case hsm.Sign:
		return s.name + " that signs"
	case hsm.Decrypt:
		return s.name + " that decrypts"
	case hsm.Derive:
		return s.name + " that derives"
	case hsm.Transport:
		return s.name + " that opens envelopes"
	}
	return s.name
}

// check refuses types and uses that do not exist, or not together.
func (k kind) check() error {
	s, ok := shapes[k.of]
	switch {
	case !ok:
		return fmt.Errorf("key type %d: %w", k.of, hsm.ErrUnsupported)
	case k.may():
		return nil
	}
	return fmt.Errorf("%s with use %d: %w", s.name, k.use, hsm.ErrUnsupported)
}

// may reports whether keys of this type have this use.
func (k kind) may() bool {
	s := k.shape()
	switch {
	case s.secret > 0:
		return k.use == 0
	case s.bits > 0:
		return k.use == hsm.Sign || k.use == hsm.Decrypt || k.use == hsm.Transport
	}
	return k.use == hsm.Sign || k.use == hsm.Derive && s.curve.ecdh != nil
}

// pair reports whether k is a key pair.
func (k kind) pair() bool { return k.shape().secret == 0 }

// slow reports whether making such a key takes a token seconds.
func (k kind) slow() bool { return k.shape().bits > 0 }

// keyType is CKA_KEY_TYPE.
func (k kind) keyType() uint {
	s := k.shape()
	switch {
	case s.secret > 0:
		return p11.CKK_GENERIC_SECRET
	case s.bits > 0:
		return p11.CKK_RSA
	case s.curve == &edwards25519:
		return keyTypeEdwards
	}
	return p11.CKK_EC
}

// class is CKA_CLASS, of the private key of a pair.
func (k kind) class() uint {
	if k.pair() {
		return p11.CKO_PRIVATE_KEY
	}
	return p11.CKO_SECRET_KEY
}

// maker is the mechanism that makes keys of this type.
func (k kind) maker() uint {
	switch k.keyType() {
	case p11.CKK_GENERIC_SECRET:
		return p11.CKM_GENERIC_SECRET_KEY_GEN
	case p11.CKK_RSA:
		return p11.CKM_RSA_PKCS_KEY_PAIR_GEN
	case keyTypeEdwards:
		return mechanismEdwardsKeyPairGen
	}
	return p11.CKM_EC_KEY_PAIR_GEN
}

// usable refuses kinds that the token has no mechanism to work with.
func (k kind) usable(c hsm.Capabilities) error {
	if err := k.check(); err != nil {
		return err
	}
	switch k.use {
	case hsm.Sign:
		_, err := k.signing(c)
		return err
	case hsm.Decrypt:
		return need(c, p11.CKM_RSA_X_509)
	case hsm.Derive:
		return need(c, p11.CKM_ECDH1_DERIVE)
	case hsm.Transport:
		return need(c, p11.CKM_RSA_PKCS_OAEP, p11.CKM_RSA_X_509)
	}
	return need(c, k.shape().hmac)
}

// makeable refuses kinds that the token cannot make, or not use.
func (k kind) makeable(c hsm.Capabilities) error {
	if err := k.usable(c); err != nil {
		return err
	}
	return need(c, k.maker())
}
