package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// hash is what PKCS#11 and PKCS#1 call a hash.
type hash struct {
	// prefix is the DigestInfo in front of a digest (RFC 8017, section 9.2, note 1).
	prefix []byte
	pss    []*p11.Mechanism
}

var hashes = map[crypto.Hash]hash{
	crypto.SHA256: newHash(1, 32, p11.CKM_SHA256, p11.CKG_MGF1_SHA256),
	crypto.SHA384: newHash(2, 48, p11.CKM_SHA384, p11.CKG_MGF1_SHA384),
	crypto.SHA512: newHash(3, 64, p11.CKM_SHA512, p11.CKG_MGF1_SHA512),
}

// newHash describes the n-th of NIST's hashes (2.16.840.1.101.3.4.2.n). The
// salt of PSS is as long as the digest.
func newHash(n, size byte, mechanism, mgf uint) hash {
	return hash{
		prefix: []byte{
			0x30, 17 + size, 0x30, 13, 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, n, 5, 0, 4, size,
		},
		pss: []*p11.Mechanism{p11.NewMechanism(p11.CKM_RSA_PKCS_PSS,
			p11.NewPSSParams(mechanism, mgf, uint(size)))},
	}
}

// Mechanisms of signatures, made once: they are only ever read.
var (
	rsaPKCS   = mechanism(p11.CKM_RSA_PKCS)
	ecdsaRaw  = mechanism(p11.CKM_ECDSA)
	eddsaPure = mechanism(mechanismEdDSA)
)

// Sign signs in the token. RSA signatures are made on a goroutine of their own.
func (t *Token) Sign(ctx context.Context, k hsm.Key, a hsm.Signing, input []byte) ([]byte, error) {
	if err := wanted(k, k.Use == hsm.Sign, "signs"); err != nil {
		return nil, err
	}
	of := kind{k.Type, k.Use}
	if err := of.signs(a, t.caps); err != nil {
		return nil, err
	}
	if a.Scheme != hsm.EdDSA && len(input) != a.Hash.Size() {
		return nil, fmt.Errorf("digest of %d bytes, %v has %d", len(input), a.Hash, a.Hash.Size())
	}
	p := quick
	if of.slow() {
		p = slow
	}
	return t.with(ctx, k, p, input, signing(a))
}

// signs refuses schemes and hashes that a key of this kind does not sign with.
func (k kind) signs(a hsm.Signing, c hsm.Capabilities) error {
	if err := k.check(); err != nil {
		return err
	}
	fits := slices.Contains(k.schemes(), a.Scheme)
	_, known := hashes[a.Hash]
	if a.Scheme == hsm.EdDSA {
		known = a.Hash == 0
	}
	if !fits || !known {
		return fmt.Errorf("%v: signature scheme %d with hash %d: %w", k, a.Scheme, a.Hash, hsm.ErrUnsupported)
	}
	switch a.Scheme {
	case hsm.PKCS1v15:
		return need(c, p11.CKM_RSA_PKCS)
	case hsm.PSS:
		return need(c, p11.CKM_RSA_PKCS_PSS)
	case hsm.ECDSA:
		return need(c, p11.CKM_ECDSA)
	}
	return need(c, mechanismEdDSA)
}

// schemes are those of the key's type.
func (k kind) schemes() []hsm.Scheme {
	switch k.keyType() {
	case p11.CKK_RSA:
		return []hsm.Scheme{hsm.PSS, hsm.PKCS1v15}
	case p11.CKK_EC:
		return []hsm.Scheme{hsm.ECDSA}
	case keyTypeEdwards:
		return []hsm.Scheme{hsm.EdDSA}
	}
	return nil
}

// signing chooses a scheme that the token has for keys of this kind.
func (k kind) signing(c hsm.Capabilities) (a hsm.Signing, err error) {
	for _, scheme := range k.schemes() {
		a = hsm.Signing{Scheme: scheme}
		if scheme != hsm.EdDSA {
			a.Hash = crypto.SHA256
		}
		if err = k.signs(a, c); err == nil {
			return a, nil
		}
	}
	return hsm.Signing{}, err
}

// signing is the work of one scheme.
func signing(a hsm.Signing) work {
	return func(s session, h *handle, input []byte) ([]byte, error) {
		switch a.Scheme {
		case hsm.PKCS1v15:
			return s.sign(rsaPKCS, h.object, slices.Concat(hashes[a.Hash].prefix, input), len(h.modulus))
		case hsm.PSS:
			return s.sign(hashes[a.Hash].pss, h.object, input, len(h.modulus))
		case hsm.EdDSA:
			return s.sign(eddsaPure, h.object, input, 64)
		}
		size := h.kind.shape().curve.size
		// A longer digest loses its last bits (FIPS 186-5, section 6.4.1): whole
		// bytes, as none is longer than the order of P-521.
		raw, err := s.sign(ecdsaRaw, h.object, input[:min(len(input), size)], 2*size)
		if err != nil {
			return nil, err
		}
		return ecdsaDER(raw)
	}
}

// ecdsaDER turns r ‖ s into the form of RFC 3279.
func ecdsaDER(raw []byte) ([]byte, error) {
	r, s := raw[:len(raw)/2], raw[len(raw)/2:]
	if zero := make([]byte, len(r)); bytes.Equal(r, zero) || bytes.Equal(s, zero) {
		return nil, fmt.Errorf("C_Sign: answered zero")
	}
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)})
}

// wanted refuses a key that is not for what it is asked to do.
func wanted(k hsm.Key, fits bool, does string) error {
	if fits {
		return nil
	}
	return fmt.Errorf("key: %v is not one that %s", kind{k.Type, k.Use}, does)
}
