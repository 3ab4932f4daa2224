package kms

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// CheckPairSpec refuses data key pairs of a kind that is not made here.
func CheckPairSpec(spec string) error {
	switch spec {
	case "RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521",
		"ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519":
		return nil
	}
	return refuse(CodeUnsupportedOperation, "KeyPairSpec %s is not supported.", spec)
}

// DataKeyPair makes a key pair for use outside: the private key as PKCS #8
// PrivateKeyInfo, which the caller wipes, and the public one as
// SubjectPublicKeyInfo, both in DER. A data key is made to be given away, so it is
// made on the host. RSA takes up to seconds; the bounded number of those that are
// made at once leaves processors to others.
func (s *Service) DataKeyPair(ctx context.Context, spec string) (pkcs8, spki []byte, err error) {
	if err := CheckPairSpec(spec); err != nil {
		return nil, nil, err
	}
	if spec == "ECC_SECG_P256K1" {
		private, err := secp256k1.GeneratePrivateKey()
		if err != nil {
			return nil, nil, err
		}
		defer private.Zero()
		return marshalSecp256k1(private)
	}
	private, err := s.hostKey(ctx, spec)
	if err != nil {
		return nil, nil, err
	}
	if pkcs8, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		return nil, nil, err
	}
	spki, err = x509.MarshalPKIXPublicKey(private.Public())
	return pkcs8, spki, err
}

func (s *Service) hostKey(ctx context.Context, spec string) (crypto.Signer, error) {
	switch spec {
	case "ECC_NIST_P256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ECC_NIST_P384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ECC_NIST_P521":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "ECC_NIST_EDWARDS25519":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	if err := s.pairs.enter(ctx); err != nil {
		return nil, err
	}
	defer s.pairs.leave()
	bits := map[string]int{"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}[spec]
	return rsa.GenerateKey(rand.Reader, bits)
}
