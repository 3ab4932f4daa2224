package kms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// errPublicKey: not the SubjectPublicKeyInfo of a key of that spec.
var errPublicKey = errors.New("public key is malformed or of another kind")

// secp256k1Prefix is all of a SubjectPublicKeyInfo on secp256k1 (RFC 5480, SEC 2)
// but the 65 bytes of its uncompressed point: package x509 does not know the curve.
var secp256k1Prefix = []byte{
	0x30, 0x56, // SEQUENCE
	0x30, 0x10, // SEQUENCE: the algorithm
	0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, // id-ecPublicKey
	0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a, // secp256k1
	0x03, 0x42, 0x00, // BIT STRING without unused bits
}

// ParsePublic reads a SubjectPublicKeyInfo (RFC 5280) of a key of that spec, in
// DER and nothing else: no trailing bytes, no compressed point, no other curve or
// modulus length, no point off the curve. The result is an [*rsa.PublicKey], an
// [*ecdsa.PublicKey], an [ed25519.PublicKey] or a [*secp256k1.PublicKey].
func ParsePublic(spec string, der []byte) (crypto.PublicKey, error) {
	if spec == "ECC_SECG_P256K1" {
		return parseSecp256k1(der)
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil || specOfPublic(public) != spec {
		return nil, errPublicKey
	}
	// One key has one encoding: what package x509 let pass beside it is not it.
	canonical, err := x509.MarshalPKIXPublicKey(public)
	if err != nil || !bytes.Equal(canonical, der) {
		return nil, errPublicKey
	}
	return public, nil
}

func parseSecp256k1(der []byte) (crypto.PublicKey, error) {
	point, ok := bytes.CutPrefix(der, secp256k1Prefix)
	if !ok || len(point) != 65 || point[0] != 4 {
		return nil, errPublicKey
	}
	public, err := secp256k1.ParsePubKey(point)
	if err != nil {
		return nil, errPublicKey
	}
	return public, nil
}

// specOfPublic is the key spec of a public key, "" for one that no spec has.
func specOfPublic(public crypto.PublicKey) string {
	switch pub := public.(type) {
	case *rsa.PublicKey:
		return map[int]string{2048: "RSA_2048", 3072: "RSA_3072", 4096: "RSA_4096"}[pub.N.BitLen()]
	case *ecdsa.PublicKey:
		return map[string]string{"P-256": "ECC_NIST_P256", "P-384": "ECC_NIST_P384", "P-521": "ECC_NIST_P521"}[pub.Params().Name]
	case ed25519.PublicKey:
		return "ECC_NIST_EDWARDS25519"
	}
	return ""
}

// marshalSecp256k1 is the reverse of parsing, for a private key: PKCS #8 (RFC
// 5958) around an ECPrivateKey (RFC 5915), and the SubjectPublicKeyInfo.
func marshalSecp256k1(private *secp256k1.PrivateKey) (pkcs8, spki []byte, err error) {
	point := private.PubKey().SerializeUncompressed()
	secret := private.Serialize()
	defer clear(secret)
	inner, err := asn1.Marshal(ecPrivateKey{
		Version: 1, PrivateKey: secret, PublicKey: asn1.BitString{Bytes: point, BitLength: 8 * len(point)},
	})
	if err != nil {
		return nil, nil, err
	}
	defer clear(inner)
	pkcs8, err = asn1.Marshal(privateKeyInfo{
		Algorithm: ecAlgorithm{
			Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, Curve: asn1.ObjectIdentifier{1, 3, 132, 0, 10},
		},
		PrivateKey: inner,
	})
	return pkcs8, append(bytes.Clone(secp256k1Prefix), point...), err
}

type privateKeyInfo struct {
	Version    int
	Algorithm  ecAlgorithm
	PrivateKey []byte
}

type ecAlgorithm struct{ Algorithm, Curve asn1.ObjectIdentifier }

type ecPrivateKey struct {
	Version    int
	PrivateKey []byte
	PublicKey  asn1.BitString `asn1:"explicit,tag:1"`
}
