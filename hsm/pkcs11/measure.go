package pkcs11

import (
	"fmt"

	p11 "github.com/miekg/pkcs11"
)

var aesKeyWrap = mechanism(p11.CKM_AES_KEY_WRAP)

// measures reports whether an extractable secret has n bytes.
//
// A token that tells lengths is believed. SoftHSM2 2.6.1 does not tell that of
// an unwrapped key, and leaves on it the zero bytes with which RFC 5649 fills
// the last block of eight. What such a token wraps is eight bytes longer than
// the secret, to the next block; and without that filling (RFC 3394) it wraps
// whole blocks only. So a secret that came under an AES key is known to be of
// the right length but for up to seven bytes, which are then zeros, and make no
// difference to HMAC (RFC 2104, section 2).
func (t *Token) measures(s session, d, h p11.ObjectHandle, n int) (bool, error) {
	v, err := s.attributes(h, p11.CKA_VALUE_LEN)
	if err != nil {
		return false, err
	}
	if told := !isNumber(v[0], 0) && !isNumber(v[0], p11.CK_UNAVAILABLE_INFORMATION); told {
		return isNumber(v[0], uint(n)), nil
	}
	wrapped, err := t.wrap(s, d, h)
	if err != nil || len(wrapped) != wrappedLen(n) {
		return false, err
	}
	if n%8 != 0 || need(t.caps, p11.CKM_AES_KEY_WRAP) != nil {
		return true, nil
	}
	wrapped, err = s.wrap(aesKeyWrap, d, h)
	if is(err, p11.CKR_KEY_SIZE_RANGE) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("length of a secret: %w", err)
	}
	return len(wrapped) == n+8, nil
}
