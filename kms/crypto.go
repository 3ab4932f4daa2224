package kms

import (
	"context"
	"crypto/subtle"

	"github.com/keyd-hsm/keyd/hsm"
)

// Limits of the symmetric operations.
const (
	MaxPlaintext = 4096
	// maxContext bounds keys and values of an encryption context together, in bytes.
	maxContext = 8192
)

// CheckContext refuses an encryption context that is too large.
func CheckContext(context map[string]string) error {
	n := 0
	for k, v := range context {
		n += len(k) + len(v)
	}
	if n > maxContext {
		return refuse(CodeValidation, "Encryption context is longer than %d bytes.", maxContext)
	}
	return nil
}

// Encrypt encrypts under the key's current material. The caller has checked
// that the key is usable.
func (s *Service) Encrypt(ctx context.Context, k *Key, plaintext []byte, context map[string]string) ([]byte, error) {
	random, err := s.randomBytes(nonceSize + ivSize)
	if err != nil {
		return nil, err
	}
	m := k.material[k.Current]
	out := make([]byte, 0, minCiphertext+len(plaintext))
	out = appendHeader(out, k.ID, m.Number, random[:nonceSize])
	token, key := s.work(k, m)
	aead, err := messageAEAD(ctx, token, key, labelMessageKey, out)
	if err != nil {
		return nil, err
	}
	iv := random[nonceSize:]
	aad := additionalData(out, context)
	return aead.Seal(append(out, iv...), iv, plaintext, aad), nil
}

// Decrypt opens a ciphertext that names k as its key, and says which material
// it was under. Every failure is ErrInvalidCiphertext.
func (s *Service) Decrypt(ctx context.Context, k *Key, ciphertext []byte, context map[string]string) (plaintext []byte, materialID string, err error) {
	b, ok := parseBlob(ciphertext)
	if !ok || b.keyID != k.ID {
		return nil, "", ErrInvalidCiphertext
	}
	m, ok := k.material[b.number]
	if !ok {
		return nil, "", ErrInvalidCiphertext
	}
	token, key := s.work(k, m)
	aead, err := messageAEAD(ctx, token, key, labelMessageKey, b.header)
	if err != nil {
		return nil, "", err
	}
	plaintext, err = aead.Open(nil, b.iv, b.sealed, additionalData(b.header, context))
	if err != nil {
		return nil, "", ErrInvalidCiphertext
	}
	return plaintext, m.ID, nil
}

func additionalData(header []byte, context map[string]string) []byte {
	return appendContext(append(make([]byte, 0, 256), header...), context)
}

// Random returns n bytes: the token's generator XORed with the host's, as in
// the RBG3(XOR) construction of NIST SP 800-90C, so that the output is good
// while either of them is, and nobody who watches the token sees it.
func (s *Service) Random(ctx context.Context, n int) ([]byte, error) {
	return s.randomFrom(ctx, s.token, n)
}

func (s *Service) randomFrom(ctx context.Context, token hsm.Token, n int) ([]byte, error) {
	b, err := token.Random(ctx, n)
	if err != nil {
		return nil, err
	}
	host, err := s.randomBytes(n)
	if err != nil {
		return nil, err
	}
	subtle.XORBytes(b, b, host)
	return b, nil
}
