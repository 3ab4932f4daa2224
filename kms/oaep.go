package kms

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // of RSAES_OAEP_SHA_1: OAEP does not rest on collisions
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math/big"
)

// oaepHashes are the hashes of the RSA encryption algorithms, for the label and
// for MGF1 alike.
var oaepHashes = map[string]crypto.Hash{
	"RSAES_OAEP_SHA_1":   crypto.SHA1,
	"RSAES_OAEP_SHA_256": crypto.SHA256,
}

// rsaPublic is the public key of an RSA key.
func (k *Key) rsaPublic() (*rsa.PublicKey, error) {
	public, err := ParsePublic(k.Spec, k.PublicKey())
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.ARN(), err)
	}
	pub, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("key %s: %w", k.ARN(), errPublicKey)
	}
	return pub, nil
}

// CheckPlaintext refuses a plaintext that is too long for the algorithm.
func (k *Key) CheckPlaintext(algorithm string, plaintext []byte) error {
	hash, ok := oaepHashes[algorithm]
	if !ok {
		return nil
	}
	pub, err := k.rsaPublic()
	if err != nil {
		return err
	}
	if most := pub.Size() - 2*hash.Size() - 2; len(plaintext) > most {
		return refuse(CodeValidation, "Algorithm %s and key spec %s cannot encrypt data larger than %d bytes.", algorithm, k.Spec, most)
	}
	return nil
}

// EncryptOAEP encrypts with an RSA key: the stored public key does, and the token
// has no part in it. The caller has checked state, usage and algorithm.
func (s *Service) EncryptOAEP(k *Key, algorithm string, plaintext []byte) ([]byte, error) {
	if err := k.CheckPlaintext(algorithm, plaintext); err != nil {
		return nil, err
	}
	pub, err := k.rsaPublic()
	if err != nil {
		return nil, err
	}
	return rsa.EncryptOAEP(oaepHashes[algorithm].New(), rand.Reader, pub, plaintext, nil)
}

// DecryptOAEP decrypts: the private operation in the token, which may know no
// OAEP with that hash, and the decoding here. Every failure is
// ErrInvalidCiphertext, and which one it was does not show in the time either.
func (s *Service) DecryptOAEP(ctx context.Context, k *Key, algorithm string, ciphertext []byte) ([]byte, error) {
	pub, err := k.rsaPublic()
	if err != nil {
		return nil, err
	}
	// RFC 8017, section 7.1.2, step 1, and 5.1.2: neither tells anything of the key.
	if len(ciphertext) != pub.Size() || new(big.Int).SetBytes(ciphertext).Cmp(pub.N) >= 0 {
		return nil, ErrInvalidCiphertext
	}
	token, key := s.work(k, k.material[k.Current])
	encoded, err := token.Decrypt(ctx, key, ciphertext)
	if err != nil {
		return nil, err
	}
	defer clear(encoded)
	plaintext, ok := decodeOAEP(oaepHashes[algorithm], encoded)
	if !ok {
		return nil, ErrInvalidCiphertext
	}
	return plaintext, nil
}

// decodeOAEP is EME-OAEP decoding (RFC 8017, section 7.1.2, step 3) with an empty
// label. It looks at every byte whatever the others are and decides once, at the
// end: an answer that told where the encoding is wrong, or took less time for it,
// would decrypt any ciphertext for whoever may ask often enough (Manger 2001).
func decodeOAEP(hash crypto.Hash, encoded []byte) ([]byte, bool) {
	size := hash.Size()
	if len(encoded) < 2*size+2 {
		return nil, false // no modulus is that short
	}
	masked := append([]byte(nil), encoded...)
	defer clear(masked)
	seed, block := masked[1:1+size], masked[1+size:]
	xorMGF1(hash, seed, block)
	xorMGF1(hash, block, seed)

	label := hash.New().Sum(nil)
	good := subtle.ConstantTimeByteEq(masked[0], 0) & subtle.ConstantTimeCompare(block[:size], label)
	rest := block[size:]
	start, found := 0, 0 // where the message starts, and whether its mark was seen
	for i, b := range rest {
		isMark := subtle.ConstantTimeByteEq(b, 1)
		isZero := subtle.ConstantTimeByteEq(b, 0)
		good &= found | isMark | isZero // before the mark there are zeros only
		start = subtle.ConstantTimeSelect(isMark&^found, i+1, start)
		found |= isMark
	}
	if good&found != 1 {
		return nil, false
	}
	return append([]byte(nil), rest[start:]...), true
}

// xorMGF1 masks out with MGF1 of seed (RFC 8017, appendix B.2.1).
func xorMGF1(hash crypto.Hash, out, seed []byte) {
	h := hash.New()
	var counter [4]byte
	var mask []byte
	for i := uint32(0); len(out) > 0; i++ {
		binary.BigEndian.PutUint32(counter[:], i)
		h.Reset()
		h.Write(seed)
		h.Write(counter[:])
		mask = h.Sum(mask[:0])
		n := subtle.XORBytes(out, out, mask)
		out = out[n:]
	}
	clear(mask)
}
