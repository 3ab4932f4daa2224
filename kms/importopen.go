package kms

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"strings"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/internal/keywrap"
)

// secretSizes are the lengths of secrets, in bytes.
var secretSizes = map[hsm.KeyType]int{
	hsm.HMACSHA224: 28, hsm.HMACSHA256: 32, hsm.HMACSHA384: 48, hsm.HMACSHA512: 64,
}

var (
	errImportEnvelope = refuse(CodeInvalidCiphertext, "The encrypted key material cannot be decrypted.")
	errImportMaterial = refuse(CodeIncorrectKeyMaterial, "The key material is not valid for this KMS key.")
)

// An opening is one piece of encrypted key material on its way into the token.
type opening struct {
	s         *Service
	k         *Key
	transport hsm.Key
	public    *rsa.PublicKey
	hash      crypto.Hash
	sealed    []byte // under RSAES-OAEP
	body      []byte // under the AES key that sealed holds; nil where that holds the material
}

func (s *Service) newOpening(k *Key, t *importToken, encrypted []byte) (*opening, error) {
	transport, public, err := t.transport()
	if err != nil {
		return nil, err
	}
	o := &opening{s: s, k: k, transport: transport, public: public, hash: crypto.SHA256}
	if strings.HasSuffix(t.algorithm, "SHA_1") {
		o.hash = crypto.SHA1
	}
	size := public.Size()
	wraps := strings.HasPrefix(t.algorithm, "RSA_AES")
	if len(encrypted) < size || wraps != (len(encrypted) > size) {
		return nil, errImportEnvelope
	}
	o.sealed = encrypted[:size]
	if wraps {
		o.body = encrypted[size:]
	}
	return o, nil
}

// moved brings the material into the token and gives it back wrapped under the
// domain key, and of a pair the public key.
func (o *opening) moved(ctx context.Context) (wrapped, public []byte, err error) {
	e := hsm.Envelope{Transport: o.transport, Key: o.sealed, Body: o.body}
	switch {
	case o.k.Asymmetric() && o.body == nil:
		err = o.repack(ctx, &e)
	case o.hash != crypto.SHA1, o.uneven():
		err = o.reseal(ctx, &e)
	}
	if err != nil {
		return nil, nil, err
	}
	wrapped, public, err = o.s.token.Import(ctx, o.s.root.Domain, specs[o.k.Spec].kind, o.k.hsmUse(), e)
	switch {
	case errors.Is(err, hsm.ErrWrapped):
		return nil, nil, errImportEnvelope
	case errors.Is(err, hsm.ErrMaterial):
		return nil, nil, errImportMaterial
	}
	return wrapped, public, err
}

// uneven reports whether the length of a secret must be looked at here: that of an
// unwrapped secret tokens tell in blocks of eight bytes.
func (o *opening) uneven() bool { return secretSizes[specs[o.k.Spec].kind]%8 != 0 }

// reseal turns OAEP with a hash that tokens do not have into OAEP with SHA-1.
//
// Here a secret, or the AES key that opens the material, stands in clear on the
// host. It is overwritten before the call returns.
func (o *opening) reseal(ctx context.Context, e *hsm.Envelope) error {
	secret, err := o.decrypt(ctx)
	if err != nil {
		return err
	}
	defer clear(secret)
	switch {
	case o.body != nil && len(secret) != 32:
		return errImportEnvelope
	case o.body == nil && len(secret) != secretSizes[specs[o.k.Spec].kind]:
		return errImportMaterial
	}
	e.Key, err = o.encrypt(secret)
	return err
}

// repack puts a private key that OAEP holds into an envelope with a body, the only
// one that tokens take private keys in.
//
// Here the private key stands in clear on the host. It is overwritten before the
// call returns.
func (o *opening) repack(ctx context.Context, e *hsm.Envelope) error {
	private, err := o.decrypt(ctx)
	if err != nil {
		return err
	}
	defer clear(private)
	if len(private) <= 8 { // no key of any type
		return errImportMaterial
	}
	var kek [32]byte
	defer clear(kek[:])
	if _, err := rand.Read(kek[:]); err != nil {
		return err
	}
	if e.Body, err = keywrap.Wrap(kek[:], private); err != nil {
		return err
	}
	e.Key, err = o.encrypt(kek[:])
	return err
}

// decrypt opens RSAES-OAEP: the private operation in the token, the decoding here.
func (o *opening) decrypt(ctx context.Context) ([]byte, error) {
	if new(big.Int).SetBytes(o.sealed).Cmp(o.public.N) >= 0 {
		return nil, errImportEnvelope
	}
	encoded, err := o.s.token.Decrypt(ctx, o.transport, o.sealed)
	if errors.Is(err, hsm.ErrWrapped) {
		return nil, errImportEnvelope
	}
	if err != nil {
		return nil, err
	}
	defer clear(encoded)
	secret, ok := decodeOAEP(o.hash, encoded)
	if !ok {
		return nil, errImportEnvelope
	}
	return secret, nil
}

func (o *opening) encrypt(secret []byte) ([]byte, error) {
	return rsa.EncryptOAEP(crypto.SHA1.New(), rand.Reader, o.public, secret, nil)
}
