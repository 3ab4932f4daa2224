package pkcs11

import (
	"bytes"
	"fmt"
	"math/big"

	p11 "github.com/miekg/pkcs11"
)

// fits verifies that an object is a key of kind k of which the claims hold. It
// returns the modulus of an RSA key.
func (s session) fits(h p11.ObjectHandle, k kind, claims []claim) (modulus []byte, err error) {
	measure := map[bool]uint{true: p11.CKA_MODULUS, false: p11.CKA_EC_PARAMS}[k.shape().bits > 0]
	if !k.pair() {
		measure = p11.CKA_VALUE_LEN
	}
	values, err := s.examine(h, claims, p11.CKA_CLASS, p11.CKA_KEY_TYPE, measure)
	if is(err, p11.CKR_ATTRIBUTE_TYPE_INVALID) {
		return nil, fmt.Errorf("%w, no %v: %w", errMisfit, k, err)
	}
	if err != nil {
		return nil, err
	}
	if !isNumber(values[0], k.class()) || !isNumber(values[1], k.keyType()) || !k.measures(values[2]) {
		return nil, fmt.Errorf("%w, no %v", errMisfit, k)
	}
	if k.shape().bits > 0 {
		modulus = values[2]
	}
	return modulus, nil
}

// measures reports whether the attribute that says how long a key is, or on
// which curve, fits the kind.
func (k kind) measures(v []byte) bool {
	s := k.shape()
	switch {
	case s.bits > 0:
		return new(big.Int).SetBytes(v).BitLen() == s.bits
	case s.curve != nil:
		return bytes.Equal(v, s.curve.params)
	}
	// SoftHSM2 does not tell the length of a secret that it has unwrapped.
	return isNumber(v, uint(s.secret)) || isNumber(v, 0) || isNumber(v, p11.CK_UNAVAILABLE_INFORMATION)
}

// isNumber reports whether an attribute is the CK_ULONG n.
func isNumber(v []byte, n uint) bool {
	return bytes.Equal(v, p11.NewAttribute(0, n).Value)
}
