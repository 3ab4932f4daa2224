package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

var rsaRaw = mechanism(p11.CKM_RSA_X_509)

// Decrypt is the RSA private operation, without padding, in the token, on a
// goroutine of its own.
func (t *Token) Decrypt(ctx context.Context, k hsm.Key, ciphertext []byte) ([]byte, error) {
	if err := wanted(k, k.Use == hsm.Decrypt || k.Use == hsm.Transport, "decrypts"); err != nil {
		return nil, err
	}
	if err := need(t.caps, p11.CKM_RSA_X_509); err != nil {
		return nil, err
	}
	if n := (kind{k.Type, k.Use}).shape().bits / 8; len(ciphertext) != n {
		return nil, fmt.Errorf("ciphertext of %d bytes, the modulus has %d", len(ciphertext), n)
	}
	return t.with(ctx, k, slow, ciphertext, decrypt)
}

func decrypt(s session, h *handle, ciphertext []byte) ([]byte, error) {
	// A token that is given a number beyond the modulus need not say anything
	// that tells this from its own failure.
	if bytes.Compare(ciphertext, h.modulus) >= 0 {
		return nil, errors.New("ciphertext is not less than the modulus")
	}
	b, err := s.decrypt(rsaRaw, h.object, ciphertext)
	if err != nil {
		return nil, err
	}
	if len(b) > len(h.modulus) {
		return nil, fmt.Errorf("C_Decrypt: %d bytes, the modulus has %d", len(b), len(h.modulus))
	}
	// Some modules leave leading zeros out.
	return append(make([]byte, len(h.modulus)-len(b)), b...), nil
}
