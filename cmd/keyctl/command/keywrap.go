package command

import (
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
)

// wrapKWP encrypts key material with an AES key by AES Key Wrap with Padding
// (RFC 5649; KWP-AE of NIST SP 800-38F section 6.3).
func wrapKWP(kek, material []byte) ([]byte, error) {
	if len(material) == 0 || len(material) > maxKeyFile {
		return nil, errors.New("key wrap: not a key's size")
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	// The integrity check value: a constant, and the length that padding hides
	// (section 3). Then the material, padded to blocks of 8 bytes.
	out := binary.BigEndian.AppendUint32(make([]byte, 0, 16+len(material)), 0xA65959A6)
	out = binary.BigEndian.AppendUint32(out, uint32(len(material)))
	out = append(out, material...)
	out = append(out, make([]byte, -len(material)&7)...)
	if len(out) == aes.BlockSize {
		block.Encrypt(out, out)
		return out, nil
	}
	// Six passes over all blocks (RFC 3394 section 2.2.1).
	var b [aes.BlockSize]byte
	defer clear(b[:])
	copy(b[:8], out[:8])
	for pass, n := 0, len(out)/8-1; pass < 6; pass++ {
		for i := 1; i <= n; i++ {
			copy(b[8:], out[8*i:])
			block.Encrypt(b[:], b[:])
			copy(out[8*i:], b[8:])
			step := binary.BigEndian.Uint64(b[:8]) ^ uint64(n*pass+i)
			binary.BigEndian.PutUint64(b[:8], step)
		}
	}
	copy(out[:8], b[:8])
	return out, nil
}

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
	body, err := wrapKWP(kek, material)
	return append(sealed, body...), err
}
