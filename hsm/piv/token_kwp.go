package piv

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
)

// kwpMagic begins the alternative initial value of RFC 5649, section 3.
var kwpMagic = []byte{0xa6, 0x59, 0x59, 0xa6}

// unwrapKWP is AES key unwrap with padding (RFC 5649, section 4.2). It decides once,
// when all was done; the caller wipes the result.
func unwrapKWP(kek, wrapped []byte) (plain []byte, ok bool) {
	block, err := aes.NewCipher(kek)
	n := len(wrapped)/8 - 1
	if err != nil || n < 1 || len(wrapped)%8 != 0 || len(wrapped) > maxWrapped {
		return nil, false
	}
	var b [16]byte
	defer clear(b[:])
	out := append([]byte(nil), wrapped...)
	if n == 1 { // a single block, section 4.2, step 1
		block.Decrypt(out, out)
	} else { // RFC 3394, section 2.2.2, in place
		copy(b[:8], out)
		for step := 6 * n; step >= 1; step-- {
			r := out[8*((step-1)%n+1):][:8]
			subtle.XORBytes(b[:8], b[:8], binary.BigEndian.AppendUint64(nil, uint64(step)))
			copy(b[8:], r)
			block.Decrypt(b[:], b[:])
			copy(r, b[8:])
		}
		copy(out, b[:8])
	}
	size := binary.BigEndian.Uint32(out[4:])
	zeros := uint32(8*n) - size // at the end; seven at most
	good := subtle.ConstantTimeCompare(out[:4], kwpMagic) & subtle.ConstantTimeEq(int32(zeros>>3), 0)
	for i := 1; i <= 7; i++ {
		good &= subtle.ConstantTimeByteEq(out[len(out)-i], 0) | subtle.ConstantTimeLessOrEq(int(zeros&7)+1, i)
	}
	if good != 1 {
		clear(out)
		return nil, false
	}
	return out[8 : 8+size], true
}
