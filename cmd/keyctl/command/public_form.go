package command

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/big"
)

// public is a public key in parts: an RSA key, or a point of a curve.
type public struct {
	curve curve
	n, e  []byte // RSA: modulus and exponent, without leading zeros
	point []byte // as SEC 1 writes it uncompressed (04 x y); of Ed25519 the 32 bytes of RFC 8032
}

// curve is what each form calls a curve; the zero value is RSA.
type curve struct{ jwk, ssh string }

var (
	oidEC        = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidSecp256k1 = asn1.ObjectIdentifier{1, 3, 132, 0, 10}

	ed25519Curve   = curve{"Ed25519", "ssh-ed25519"}
	secp256k1Curve = curve{jwk: "secp256k1"} // RFC 8812; OpenSSH has none
	nistCurves     = map[string]curve{
		"P-256": {"P-256", "nistp256"}, "P-384": {"P-384", "nistp384"}, "P-521": {"P-521", "nistp521"},
	}
)

var errKind = errors.New("a kind of key that has no other form")

// parsePublic reads a SubjectPublicKeyInfo. Go knows all kinds but secp256k1.
func parsePublic(der []byte) (public, error) {
	if k, ok := parseSecp256k1(der); ok {
		return k, nil
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return public{}, errKind
	}
	switch k := parsed.(type) {
	case *rsa.PublicKey:
		return public{n: k.N.Bytes(), e: big.NewInt(int64(k.E)).Bytes()}, nil
	case ed25519.PublicKey:
		return public{curve: ed25519Curve, point: k}, nil
	case *ecdsa.PublicKey:
		if named, ok := nistCurves[k.Params().Name]; ok {
			point, err := k.Bytes()
			return public{curve: named, point: point}, err
		}
	}
	return public{}, errKind
}

func parseSecp256k1(der []byte) (public, bool) {
	var info struct {
		Algorithm struct {
			Algorithm, Curve asn1.ObjectIdentifier
		}
		Key asn1.BitString
	}
	rest, err := asn1.Unmarshal(der, &info)
	ok := err == nil && len(rest) == 0 && info.Algorithm.Algorithm.Equal(oidEC) && info.Algorithm.Curve.Equal(oidSecp256k1) &&
		len(info.Key.Bytes) == 65 && info.Key.Bytes[0] == 4
	return public{curve: secp256k1Curve, point: info.Key.Bytes}, ok
}

// jwk is the key as a JSON Web Key (RFC 7517, 7518, 8037), on one line.
func (k public) jwk(id string) ([]byte, error) {
	text := base64.RawURLEncoding.EncodeToString
	doc := struct {
		Kty string `json:"kty"`
		Kid string `json:"kid"`
		Crv string `json:"crv,omitempty"`
		X   string `json:"x,omitempty"`
		Y   string `json:"y,omitempty"`
		N   string `json:"n,omitempty"`
		E   string `json:"e,omitempty"`
	}{Kid: id, Crv: k.curve.jwk}
	switch k.curve {
	case curve{}:
		doc.Kty, doc.N, doc.E = "RSA", text(k.n), text(k.e)
	case ed25519Curve:
		doc.Kty, doc.X = "OKP", text(k.point)
	default:
		x, y := k.point[1:1+len(k.point)/2], k.point[1+len(k.point)/2:]
		doc.Kty, doc.X, doc.Y = "EC", text(x), text(y)
	}
	line, err := json.Marshal(doc)
	return append(line, '\n'), err
}

// ssh is the key as a line of authorized_keys (RFC 4253, 5656, 8709).
func (k public) ssh(comment string) ([]byte, error) {
	var blob []byte
	field := func(b []byte) {
		blob = binary.BigEndian.AppendUint32(blob, uint32(len(b)))
		blob = append(blob, b...)
	}
	kind := k.curve.ssh
	switch k.curve {
	case secp256k1Curve:
		return nil, errForm(k.curve.jwk)
	case curve{}:
		kind = "ssh-rsa"
		field([]byte(kind))
		field(mpint(k.e))
		field(mpint(k.n))
	case ed25519Curve:
		field([]byte(kind))
		field(k.point)
	default:
		kind = "ecdsa-sha2-" + k.curve.ssh
		field([]byte(kind))
		field([]byte(k.curve.ssh))
		field(k.point)
	}
	return []byte(kind + " " + base64.StdEncoding.EncodeToString(blob) + " " + comment + "\n"), nil
}

// mpint is a positive number as RFC 4251 writes it: with a zero before it, if it
// would look negative.
func mpint(b []byte) []byte {
	if len(b) > 0 && b[0] >= 0x80 {
		return append([]byte{0}, b...)
	}
	return b
}

// ecAlgorithm is the AlgorithmIdentifier of a curve's keys (RFC 5480).
func ecAlgorithm(named asn1.ObjectIdentifier) (pkix.AlgorithmIdentifier, error) {
	params, err := asn1.Marshal(named)
	return pkix.AlgorithmIdentifier{Algorithm: oidEC, Parameters: asn1.RawValue{FullBytes: params}}, err
}
