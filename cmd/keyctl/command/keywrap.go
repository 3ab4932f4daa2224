package command

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"

	"github.com/keyd-hsm/keyd/internal/keywrap"
)

// wrappingKey reads the public key that KMS made for an import.
func wrappingKey(der []byte) (*rsa.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	k, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("wrapping key: not RSA")
	}
	return k, nil
}

// sealOAEP is RSAES_OAEP_SHA_256: for material shorter than the wrapping key.
func sealOAEP(to *rsa.PublicKey, material []byte) ([]byte, error) {
	return rsa.EncryptOAEP(sha256.New(), rand.Reader, to, material, nil)
}

// sealRSAAES is RSA_AES_KEY_WRAP_SHA_256: the material under an AES key made for
// it, and that key, before it, under the wrapping key (CKM_RSA_AES_KEY_WRAP).
func sealRSAAES(to *rsa.PublicKey, material []byte) ([]byte, error) {
	kek := make([]byte, 32)
	defer clear(kek)
	if _, err := rand.Read(kek); err != nil {
		return nil, err
	}
	sealed, err := sealOAEP(to, kek)
	if err != nil {
		return nil, err
	}
	body, err := keywrap.Wrap(kek, material)
	return append(sealed, body...), err
}
