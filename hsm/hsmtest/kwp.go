package hsmtest

import (
	"crypto/aes"
	"encoding/binary"
	"slices"
)

// WrapKey is AES key wrap with padding (RFC 5649, section 4.1), as whoever
// sends a key to a token does it. It panics when kek is no AES key.
func WrapKey(kek, key []byte) []byte {
	c, err := aes.NewCipher(kek)
	if err != nil {
		panic(err)
	}
	a := binary.BigEndian.AppendUint32([]byte{0xa6, 0x59, 0x59, 0xa6}, uint32(len(key)))
	r := append(slices.Clone(key), make([]byte, -len(key)&7)...)
	if len(r) == 8 {
		b := slices.Concat(a, r)
		c.Encrypt(b, b)
		return b
	}
	n := len(r) / 8
	for step := range 6 * n {
		i := 8 * (step % n)
		b := slices.Concat(a, r[i:i+8])
		c.Encrypt(b, b)
		binary.BigEndian.PutUint64(a, binary.BigEndian.Uint64(b)^uint64(step+1))
		copy(r[i:], b[8:])
	}
	return slices.Concat(a, r)
}
