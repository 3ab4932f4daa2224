package kms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// keyWrapMagic begins the alternative initial value of RFC 5649, section 3.
const keyWrapMagic = 0xa65959a6

// wrapKey is AES key wrap with padding (AES-KWP, RFC 5649, section 4.1) of a
// plaintext of more than 8 bytes.
func wrapKey(kek, plaintext []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 8, 8+len(plaintext)+7)
	binary.BigEndian.PutUint32(out, keyWrapMagic)
	binary.BigEndian.PutUint32(out[4:], uint32(len(plaintext)))
	out = append(out, plaintext...)
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	wrapBlocks(block, out)
	return out, nil
}

// wrapBlocks is the wrapping process of RFC 3394, section 2.2.1, in place.
func wrapBlocks(block cipher.Block, out []byte) {
	var b [16]byte
	defer clear(b[:])
	n := len(out)/8 - 1
	copy(b[:8], out)
	for t := 1; t <= 6*n; t++ {
		r := out[8*((t-1)%n+1):][:8]
		copy(b[8:], r)
		block.Encrypt(b[:], b[:])
		subtle.XORBytes(b[:8], b[:8], binary.BigEndian.AppendUint64(nil, uint64(t)))
		copy(r, b[8:])
	}
	copy(out, b[:8])
}
