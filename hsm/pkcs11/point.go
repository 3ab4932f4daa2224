package pkcs11

import (
	"crypto/elliptic"
	"crypto/sha256"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// findPoint finds the public key of an imported private one. Tokens do not keep
// it, and it need not be in what was imported.
//
// A copy that may derive and sign lives for this moment. Key agreement with the
// curve's generator gives the x coordinate of the public key, which is no
// secret; two points have it, and only one verifies a signature.
func (t *Token) findPoint(s session, d p11.ObjectHandle, k kind, wrapped []byte) (p public, err error) {
	copied, err := s.unwrap(t.wrapping, d, wrapped, append(
		granting(k.class(), k.keyType(), privateGrants, []grant{maySign, mayDerive}),
		p11.NewAttribute(p11.CKA_TOKEN, false),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, false)))
	if err != nil {
		return public{}, err
	}
	h := &handle{kind: kind{k.of, hsm.Sign}, object: copied}
	p, err = t.pointOf(s, h)
	return p, destroyed(s, copied, err)
}

func (t *Token) pointOf(s session, h *handle) (public, error) {
	c := h.kind.shape().curve
	x, err := derive(s, h, c.generator())
	if err != nil {
		return public{}, err
	}
	a, err := h.kind.signing(t.caps)
	if err != nil {
		return public{}, err
	}
	digest := sha256.Sum256([]byte("keyd import"))
	signature, err := signing(a)(s, h, digest[:])
	if err != nil {
		return public{}, err
	}
	for _, sign := range []byte{2, 3} {
		point, err := c.point(sign, x)
		if err != nil {
			return public{}, err
		}
		p, err := publicPoint(h.kind, point)
		if err != nil {
			return public{}, err
		}
		if p.verifies(a, digest[:], signature) {
			return p, nil
		}
	}
	return public{}, errPair
}

// generator is the curve's base point, uncompressed (SEC 1, section 2.3.3).
func (c *curve) generator() []byte {
	if c.nist == nil {
		one := new(secp256k1.ModNScalar).SetInt(1)
		return secp256k1.NewPrivateKey(one).PubKey().SerializeUncompressed()
	}
	return c.bytes(c.nist.Params().Gx, c.nist.Params().Gy)
}

// point is the one with that x coordinate, whose y is even (sign 2) or odd (3),
// uncompressed.
func (c *curve) point(sign byte, x []byte) ([]byte, error) {
	compressed := append([]byte{sign}, x...)
	if c.nist == nil {
		p, err := secp256k1.ParsePubKey(compressed)
		if err != nil {
			return nil, errPair
		}
		return p.SerializeUncompressed(), nil
	}
	px, py := elliptic.UnmarshalCompressed(c.nist, compressed)
	if px == nil {
		return nil, errPair
	}
	return c.bytes(px, py), nil
}

func (c *curve) bytes(x, y *big.Int) []byte {
	b := make([]byte, 1+2*c.size)
	b[0] = 4
	x.FillBytes(b[1 : 1+c.size])
	y.FillBytes(b[1+c.size:])
	return b
}
