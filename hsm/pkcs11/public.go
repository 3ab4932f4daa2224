package pkcs11

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	p11 "github.com/miekg/pkcs11"
)

// ecPublicKey is the algorithm of keys on curves (RFC 5480, section 2.1.1).
var ecPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}

// public is the public key of a pair.
type public struct {
	// der is the SubjectPublicKeyInfo.
	der []byte
	// key is what Go works with: an *rsa.PublicKey, *ecdsa.PublicKey,
	// ed25519.PublicKey or *secp256k1.PublicKey.
	key any
	// point is that of a key on a curve.
	point []byte
}

// public reads the public key of a pair from its object.
func (s session) public(h p11.ObjectHandle, k kind) (public, error) {
	if k.shape().curve == nil {
		v, err := s.attributes(h, p11.CKA_MODULUS, p11.CKA_PUBLIC_EXPONENT)
		if err != nil {
			return public{}, err
		}
		return publicRSA(k, v[0], v[1])
	}
	v, err := s.attributes(h, p11.CKA_EC_POINT)
	if err != nil {
		return public{}, err
	}
	point, err := bare(v[0], k)
	if err != nil {
		return public{}, err
	}
	return publicPoint(k, point)
}

// publicRSA refuses exponents that Go does not work with, or not safely.
func publicRSA(k kind, modulus, exponent []byte) (public, error) {
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	if !k.measures(modulus) || e.BitLen() > 31 || e.Bit(0) == 0 || e.Int64() < 3 {
		return public{}, fmt.Errorf("public key on the token is no %v", k)
	}
	key := &rsa.PublicKey{N: n, E: int(e.Int64())}
	der, err := x509.MarshalPKIXPublicKey(key)
	return public{der: der, key: key}, err
}

// bare takes a point out of the OCTET STRING that PKCS#11 puts it in; some
// modules do not.
func bare(v []byte, k kind) ([]byte, error) {
	want := 1 + 2*k.shape().curve.size
	if k.keyType() == keyTypeEdwards {
		want = ed25519.PublicKeySize
	}
	if len(v) == want {
		return v, nil
	}
	var point []byte
	if rest, err := asn1.Unmarshal(v, &point); err != nil || len(rest) > 0 || len(point) != want {
		return nil, fmt.Errorf("CKA_EC_POINT has %d bytes, which is no point of the %v", len(v), k)
	}
	return point, nil
}

// publicPoint makes a public key of a point that lies on the curve.
func publicPoint(k kind, point []byte) (p public, err error) {
	c := k.shape().curve
	algorithm := pkix.AlgorithmIdentifier{Algorithm: ecPublicKey}
	if algorithm.Parameters.FullBytes, err = asn1.Marshal(c.id); err != nil {
		return public{}, err
	}
	switch {
	case c == &edwards25519:
		// RFC 8410, section 3: the curve is the algorithm, without parameters.
		algorithm = pkix.AlgorithmIdentifier{Algorithm: c.id}
		p.key = ed25519.PublicKey(point)
	case c == &secp256k1Curve:
		p.key, err = secp256k1.ParsePubKey(point)
	default:
		p.key, err = ecdsa.ParseUncompressedPublicKey(c.nist, point)
	}
	if err != nil {
		return public{}, errors.New("CKA_EC_POINT is not on the curve")
	}
	p.point = point
	p.der, err = asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}{algorithm, asn1.BitString{Bytes: point, BitLength: 8 * len(point)}})
	return p, err
}
