package kms

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // hashes of the signing algorithms
	_ "crypto/sha512"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	secpecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/keyd-hsm/keyd/hsm"
)

// Message types of Sign and Verify, in AWS's words.
const (
	MessageRaw    = "RAW"
	MessageDigest = "DIGEST"
)

const ed25519Prehashed = "ED25519_PH_SHA_512"

// signings are the signing algorithms that tokens do.
var signings = map[string]hsm.Signing{
	"RSASSA_PKCS1_V1_5_SHA_256": {Scheme: hsm.PKCS1v15, Hash: crypto.SHA256},
	"RSASSA_PKCS1_V1_5_SHA_384": {Scheme: hsm.PKCS1v15, Hash: crypto.SHA384},
	"RSASSA_PKCS1_V1_5_SHA_512": {Scheme: hsm.PKCS1v15, Hash: crypto.SHA512},
	"RSASSA_PSS_SHA_256":        {Scheme: hsm.PSS, Hash: crypto.SHA256},
	"RSASSA_PSS_SHA_384":        {Scheme: hsm.PSS, Hash: crypto.SHA384},
	"RSASSA_PSS_SHA_512":        {Scheme: hsm.PSS, Hash: crypto.SHA512},
	"ECDSA_SHA_256":             {Scheme: hsm.ECDSA, Hash: crypto.SHA256},
	"ECDSA_SHA_384":             {Scheme: hsm.ECDSA, Hash: crypto.SHA384},
	"ECDSA_SHA_512":             {Scheme: hsm.ECDSA, Hash: crypto.SHA512},
	"ED25519_SHA_512":           {Scheme: hsm.EdDSA},
}

// ErrInvalidSignature is the one answer for every signature that is not the
// key's of that message. AWS sends it without a message.
var ErrInvalidSignature = &Error{Code: CodeInvalidSignature}

// CheckMessage refuses a message of a type that the algorithm does not take, and
// a digest of the wrong length.
func CheckMessage(algorithm, messageType string, message []byte) error {
	_, err := signingInput(algorithm, messageType, message)
	return err
}

// signingInput is what an algorithm signs: a digest, which is hashed here or,
// of type DIGEST, by the caller and never again; for Ed25519 the message.
func signingInput(algorithm, messageType string, message []byte) ([]byte, error) {
	a, ok := signings[algorithm]
	switch {
	case !ok:
		return nil, refuse(CodeUnsupportedOperation, "Algorithm %s is not supported.", algorithm)
	case messageType != MessageRaw && (messageType != MessageDigest || a.Scheme == hsm.EdDSA):
		return nil, refuse(CodeValidation, "Message type %s is incompatible with algorithm %s.", messageType, algorithm)
	case a.Scheme == hsm.EdDSA:
		return message, nil
	case messageType == MessageDigest && len(message) != a.Hash.Size():
		return nil, refuse(CodeValidation, "Digest is invalid length for algorithm %s.", algorithm)
	case messageType == MessageDigest:
		return message, nil
	}
	h := a.Hash.New()
	h.Write(message)
	return h.Sum(nil), nil
}

// Sign signs in the token. The caller has checked state, usage and algorithm.
func (s *Service) Sign(ctx context.Context, k *Key, algorithm, messageType string, message []byte) ([]byte, error) {
	input, err := signingInput(algorithm, messageType, message)
	if err != nil {
		return nil, err
	}
	token, key := s.work(k, k.material[k.Current])
	return token.Sign(ctx, key, signings[algorithm], input)
}

// Verify checks a signature with the stored public key; the token has no part in
// it. The error of one that is not good is ErrInvalidSignature.
func (s *Service) Verify(k *Key, algorithm, messageType string, message, signature []byte) error {
	input, err := signingInput(algorithm, messageType, message)
	if err != nil {
		return err
	}
	public, err := ParsePublic(k.Spec, k.PublicKey())
	if err != nil {
		return fmt.Errorf("key %s: %w", k.ARN(), err)
	}
	if !verify(public, signings[algorithm], input, signature) {
		return ErrInvalidSignature
	}
	return nil
}

// verify reports whether signature is good for a digest, or with EdDSA a message.
func verify(public crypto.PublicKey, a hsm.Signing, input, signature []byte) bool {
	switch pub := public.(type) {
	case *rsa.PublicKey:
		if a.Scheme == hsm.PSS {
			return rsa.VerifyPSS(pub, a.Hash, input, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(pub, a.Hash, input, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(pub, input, signature)
	case *secp256k1.PublicKey:
		parsed, err := secpecdsa.ParseDERSignature(signature)
		return err == nil && parsed.Verify(input, pub)
	case ed25519.PublicKey:
		return ed25519.Verify(pub, input, signature)
	}
	return false
}
