// Package keywrap is AES key wrap with padding (AES-KWP, RFC 5649; KWP-AE and
// KWP-AD of NIST SP 800-38F, section 6.3), for keys that stand on the host for a
// moment on their way into a token.
//
// Most callers need one call: [Wrap], or [Unwrap] at the other end.
package keywrap

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// MaxSize bounds what is wrapped, in bytes: well above any private key.
const MaxSize = 32 << 10

// ErrSize: what is to be wrapped is empty, or too long for a key.
var ErrSize = errors.New("key wrap: not a key's size")

const (
	magic = 0xa65959a6 // begins the alternative initial value, section 3
	block = 8          // bytes of a semiblock
)

// Wrap wraps 1 to MaxSize bytes under an AES key of 16, 24 or 32.
func Wrap(kek, plain []byte) ([]byte, error) {
	if len(plain) == 0 || len(plain) > MaxSize {
		return nil, ErrSize
	}
	c, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint32(make([]byte, 0, 2*block+len(plain)), magic)
	out = binary.BigEndian.AppendUint32(out, uint32(len(plain))) // what padding hides
	out = append(out, plain...)
	out = append(out, make([]byte, -len(plain)&(block-1))...)
	if len(out) == aes.BlockSize { // section 4.1, step 2
		c.Encrypt(out, out)
	} else {
		wrap(c, out)
	}
	return out, nil
}

// wrap is the wrapping process of RFC 3394, section 2.2.1, in place.
func wrap(c cipher.Block, out []byte) {
	var b [aes.BlockSize]byte
	defer clear(b[:])
	n := len(out)/block - 1
	copy(b[:block], out)
	for step := 1; step <= 6*n; step++ {
		r := out[block*((step-1)%n+1):][:block]
		copy(b[block:], r)
		c.Encrypt(b[:], b[:])
		count(&b, step)
		copy(r, b[block:])
	}
	copy(out, b[:block])
}

// Unwrap opens what Wrap has wrapped. It decides once, when all was done, so that
// no failure takes another time than the next; the caller wipes the result.
func Unwrap(kek, wrapped []byte) (plain []byte, ok bool) {
	c, err := aes.NewCipher(kek)
	n := len(wrapped)/block - 1
	if err != nil || n < 1 || len(wrapped)%block != 0 || len(wrapped) > 2*block+MaxSize {
		return nil, false
	}
	out := append([]byte(nil), wrapped...)
	if n == 1 { // section 4.2, step 1
		c.Decrypt(out, out)
	} else {
		unwrap(c, out)
	}
	size := binary.BigEndian.Uint32(out[4:])
	zeros := uint32(block*n) - size // at the end; seven at most
	good := subtle.ConstantTimeEq(int32(binary.BigEndian.Uint32(out)^magic), 0) & subtle.ConstantTimeEq(int32(zeros>>3), 0)
	for i := 1; i < block; i++ {
		good &= subtle.ConstantTimeByteEq(out[len(out)-i], 0) | subtle.ConstantTimeLessOrEq(int(zeros&7)+1, i)
	}
	if good != 1 {
		clear(out)
		return nil, false
	}
	return out[block : block+size], true
}

// unwrap is the unwrapping process of RFC 3394, section 2.2.2, in place.
func unwrap(c cipher.Block, out []byte) {
	var b [aes.BlockSize]byte
	defer clear(b[:])
	n := len(out)/block - 1
	copy(b[:block], out)
	for step := 6 * n; step >= 1; step-- {
		r := out[block*((step-1)%n+1):][:block]
		count(&b, step)
		copy(b[block:], r)
		c.Decrypt(b[:], b[:])
		copy(r, b[block:])
	}
	copy(out, b[:block])
}

// count puts the number of a step into the first half of b.
func count(b *[aes.BlockSize]byte, step int) {
	binary.BigEndian.PutUint64(b[:block], binary.BigEndian.Uint64(b[:block])^uint64(step))
}
