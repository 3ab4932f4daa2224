package piv

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/keyd-hsm/keyd/hsm"
)

// keySize is that of the token key and of domain keys: AES-256.
const keySize = 32

// Labels separate what one key wraps for one purpose from all other purposes.
const (
	labelCard     = "keyd piv token key v1"
	labelDomain   = "keyd piv domain key v1"
	labelResident = "keyd piv resident key v1"
	labelWrapped  = "keyd piv wrapped key v1"
)

// errAltered: something that is stored is not what was stored.
var errAltered = errors.New("the file was altered, or is another token's")

// fields joins texts so that no two lists of them give the same bytes.
func fields(texts ...string) []byte {
	var b []byte
	for _, s := range texts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return b
}

// kemKDF is the hash that goes with the card's curve in HPKE (RFC 9180,
// sections 7.1 and 7.2).
func kemKDF(c ecdh.Curve) (hpke.KDF, error) {
	switch c {
	case ecdh.P256():
		return hpke.HKDFSHA256(), nil
	case ecdh.P384():
		return hpke.HKDFSHA384(), nil
	}
	return nil, fmt.Errorf("key on the card: P-256 and P-384 can seal: %w", ErrAlgorithm)
}

// sealTo encrypts the token key to a key on a card by HPKE, which needs only the
// public key. The context names token, card and slot.
func sealTo(public *ecdh.PublicKey, context, key []byte) ([]byte, error) {
	kdf, err := kemKDF(public.Curve())
	if err != nil {
		return nil, err
	}
	to, err := hpke.NewDHKEMPublicKey(public)
	if err != nil {
		return nil, err
	}
	return hpke.Seal(to, kdf, hpke.AES256GCM(), context, key)
}

// exchanger is the private key on a card, for one use.
type exchanger struct {
	public *ecdh.PublicKey
	agree  func(*ecdh.PublicKey) ([]byte, error)
	err    error // of agree
}

func (e *exchanger) PublicKey() *ecdh.PublicKey { return e.public }
func (e *exchanger) Curve() ecdh.Curve          { return e.public.Curve() }

func (e *exchanger) ECDH(peer *ecdh.PublicKey) ([]byte, error) {
	var secret []byte
	secret, e.err = e.agree(peer)
	return secret, e.err
}

// openWith undoes sealTo with the card. An error of the card's comes as it is;
// otherwise what was sealed was altered.
func openWith(public *ecdh.PublicKey, agree func(*ecdh.PublicKey) ([]byte, error), context, sealed []byte) ([]byte, error) {
	kdf, err := kemKDF(public.Curve())
	if err != nil {
		return nil, err
	}
	e := &exchanger{public: public, agree: agree}
	private, err := hpke.NewDHKEMPrivateKey(e)
	if err != nil {
		return nil, err
	}
	key, err := hpke.Open(private, kdf, hpke.AES256GCM(), context, sealed)
	switch {
	case e.err != nil:
		return nil, e.err
	case err != nil || len(key) != keySize:
		clear(key)
		return nil, errAltered
	}
	return key, nil
}

// The form of everything that is wrapped with AES-256-GCM: a byte for the version,
// the nonce, the ciphertext, the tag.
const (
	wrapVersion  = 1
	nonceSize    = 12
	wrapOverhead = 1 + nonceSize + 16
)

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// wrapUnder encrypts material under a key. Nonces are random: one key wraps far
// fewer than 2^32 others (SP 800-38D, section 8.3).
func wrapUnder(key, aad, material []byte) ([]byte, error) {
	aead, err := gcm(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 1+nonceSize, wrapOverhead+len(material))
	out[0] = wrapVersion
	rand.Read(out[1:])
	return aead.Seal(out, out[1:], material, aad), nil
}

// unwrapUnder undoes wrapUnder; the caller wipes the result. ErrWrapped otherwise.
func unwrapUnder(key, aad, wrapped []byte) ([]byte, error) {
	if len(wrapped) <= wrapOverhead || len(wrapped) > maxWrapped || wrapped[0] != wrapVersion {
		return nil, fmt.Errorf("wrapped key of %d bytes: %w", len(wrapped), hsm.ErrWrapped)
	}
	aead, err := gcm(key)
	if err != nil {
		return nil, err
	}
	material, err := aead.Open(nil, wrapped[1:1+nonceSize], wrapped[1+nonceSize:], aad)
	if err != nil {
		return nil, hsm.ErrWrapped
	}
	return material, nil
}

// maxWrapped is well above an RSA-4096 private key.
const maxWrapped = 8 << 10

// sealRecord wraps something of the token's own under the token key.
func (t *Token) sealRecord(label, id string, material []byte) (wrapped []byte, err error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.open(); err != nil {
		return nil, err
	}
	return wrapUnder(t.memory.bytes(t.key), fields(label, t.file.Token, id), material)
}

// openRecord undoes sealRecord.
func (t *Token) openRecord(label, id string, wrapped []byte) ([]byte, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.open(); err != nil {
		return nil, err
	}
	material, err := unwrapUnder(t.memory.bytes(t.key), fields(label, t.file.Token, id), wrapped)
	if err != nil {
		return nil, errAltered
	}
	return material, nil
}

// withDomain lends a domain key, which f neither keeps nor changes.
func (t *Token) withDomain(id string, f func(key []byte) error) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.open(); err != nil {
		return err
	}
	d, ok := t.domain[id]
	if !ok {
		return fmt.Errorf("domain key %.64q: %w", id, hsm.ErrNotFound)
	}
	return f(t.memory.bytes(d))
}
