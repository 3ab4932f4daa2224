package mfa

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
)

// Attestor says what a security key attested, as package hsm/piv does.
type Attestor interface {
	// Attest checks the certificate of a key and that of its card, in DER, up to
	// an authority that is trusted. Errors are for the person who sent them.
	Attest(certificate, intermediate []byte) (Attested, error)
}

// Attested is what a card says of a key that was made on it. The policies are
// "always", "cached" and so on, in Yubico's words.
type Attested struct {
	Public                 crypto.PublicKey
	Slot                   string // as "9a"
	Card                   uint32 // serial number
	Firmware               string // as "5.4.3"
	PINPolicy, TouchPolicy string
}

// PIVRules are what the operator asks of security keys.
type PIVRules struct {
	// Attestor checks attestations. With none, nobody can give one.
	Attestor Attestor
	// RequireAttestation refuses keys without one.
	RequireAttestation bool
	// Touch are the touch policies that are accepted; with none, all are, and keys
	// that say nothing of theirs. It takes an attestation to say it.
	Touch []string
}

// Kinds of keys of PIV devices.
const (
	KeyP256    = "P-256"
	KeyP384    = "P-384"
	KeyRSA2048 = "RSA-2048"
	KeyEd25519 = "Ed25519"
)

var errKeyKind = errors.New("want P-256, P-384, RSA-2048 or Ed25519")

// parsePublic reads a SubjectPublicKeyInfo of a kind that is used here.
func parsePublic(der []byte) (public crypto.PublicKey, kind string, err error) {
	public, err = x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, "", errKeyKind // what x509 says quotes what was sent
	}
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return public, KeyP256, nil
		case elliptic.P384():
			return public, KeyP384, nil
		}
	case *rsa.PublicKey:
		// A YubiKey's exponent is 65537; a small one would let signatures be forged
		// where padding is read loosely, and a large one costs time.
		if k.N.BitLen() == 2048 && k.E == 65537 {
			return public, KeyRSA2048, nil
		}
	case ed25519.PublicKey:
		return public, KeyEd25519, nil
	}
	return nil, "", errKeyKind
}

// signed reports whether a signature over a message is the key's, hashed as
// docs/spec/mfa.md, section 2, says.
func signed(public crypto.PublicKey, message, signature []byte) bool {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P384() {
			digest := sha512.Sum384(message)
			return ecdsa.VerifyASN1(k, digest[:], signature)
		}
		digest := sha256.Sum256(message)
		return ecdsa.VerifyASN1(k, digest[:], signature)
	case *rsa.PublicKey:
		digest := sha256.Sum256(message)
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, digest[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(k, message, signature)
	}
	return false
}

// Kind is what kind of key it is, such as [KeyP256].
func (k *PIVKey) Kind() (string, error) {
	_, kind, err := parsePublic(k.Public)
	return kind, err
}

// Fingerprint is the SHA-256 of the public key, by which a card is found.
func (k *PIVKey) Fingerprint() []byte {
	sum := sha256.Sum256(k.Public)
	return sum[:]
}

// check reports what is wrong with a record, for fsck.
func (k *PIVKey) check() error {
	if k.Slot == "" {
		return errors.New("no slot")
	}
	if _, err := k.Kind(); err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	return nil
}
