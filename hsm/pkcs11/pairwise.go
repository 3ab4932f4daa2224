package pkcs11

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"

	k1 "github.com/decred/dcrd/dcrec/secp256k1/v4"
	k1ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/keyd-hsm/keyd/hsm"
)

// errPair: a private key does not undo what its public key does.
var errPair = errors.New("private and public key do not belong together")

// agree uses a private key once, as its use is, and checks the outcome with
// the public one: the pairwise consistency test of FIPS 140-3 (IG 10.3.A).
func (t *Token) agree(s session, h *handle, p public) error {
	switch h.kind.use {
	case hsm.Sign:
		return t.agreeSign(s, h, p)
	case hsm.Derive:
		return agreeDerive(s, h, p)
	}
	return agreeDecrypt(s, h, p)
}

func (t *Token) agreeSign(s session, h *handle, p public) error {
	a, err := h.kind.signing(t.caps)
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte("keyd pairwise consistency"))
	signature, err := signing(a)(s, h, digest[:])
	if err != nil {
		return err
	}
	if !p.verifies(a, digest[:], signature) {
		return errPair
	}
	return nil
}

// verifies reports whether a signature is of the digest, or for EdDSA message.
func (p public) verifies(a hsm.Signing, digest, signature []byte) bool {
	switch key := p.key.(type) {
	case *rsa.PublicKey:
		if a.Scheme == hsm.PSS {
			o := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			return rsa.VerifyPSS(key, a.Hash, digest, signature, o) == nil
		}
		return rsa.VerifyPKCS1v15(key, a.Hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signature)
	case *k1.PublicKey:
		sig, err := k1ecdsa.ParseDERSignature(signature)
		return err == nil && sig.Verify(digest, key)
	case ed25519.PublicKey:
		return ed25519.VerifyWithOptions(key, digest, signature, &ed25519.Options{Hash: crypto.Hash(0)}) == nil
	}
	return false
}

func agreeDerive(s session, h *handle, p public) error {
	c := h.kind.shape().curve.ecdh
	mine, err := c.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	theirs, err := c.NewPublicKey(p.point)
	if err != nil {
		return fmt.Errorf("%w: %w", errPair, err)
	}
	want, err := mine.ECDH(theirs)
	if err != nil {
		return fmt.Errorf("%w: %w", errPair, err)
	}
	got, err := derive(s, h, mine.PublicKey().Bytes())
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errPair
	}
	return nil
}

// agreeDecrypt serves transport keys, too: they may decrypt.
func agreeDecrypt(s session, h *handle, p public) error {
	key, ok := p.key.(*rsa.PublicKey)
	if !ok {
		return errPair
	}
	m, err := rand.Int(rand.Reader, key.N)
	if err != nil {
		return err
	}
	c := new(big.Int).Exp(m, big.NewInt(int64(key.E)), key.N)
	got, err := decrypt(s, h, c.FillBytes(make([]byte, key.Size())))
	if err != nil {
		return err
	}
	if new(big.Int).SetBytes(got).Cmp(m) != 0 {
		return errPair
	}
	return nil
}
