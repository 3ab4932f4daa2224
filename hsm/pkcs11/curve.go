package pkcs11

import (
	"crypto/ecdh"
	"crypto/elliptic"
	"encoding/asn1"
)

// curve is an elliptic curve as PKCS#11, X.509 and Go name it.
type curve struct {
	// params is CKA_EC_PARAMS: the curve's object identifier in DER, or for
	// Edwards curves the name that PKCS#11 3.0 gives them (section 2.3.10).
	params []byte
	// id is the object identifier in a SubjectPublicKeyInfo.
	id asn1.ObjectIdentifier
	// size is the length of a coordinate, in bytes, and of the group's order.
	size int
	// nist is nil for curves that are not NIST's.
	nist elliptic.Curve
	// ecdh is nil for curves on which no keys are agreed.
	ecdh ecdh.Curve
}

// Curves: SEC 2 and RFC 5480 for the identifiers, RFC 8410 for the last.
var (
	p256 = curve{
		params: []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07},
		id:     asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7},
		size:   32, nist: elliptic.P256(), ecdh: ecdh.P256(),
	}
	p384 = curve{
		params: []byte{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22},
		id:     asn1.ObjectIdentifier{1, 3, 132, 0, 34},
		size:   48, nist: elliptic.P384(), ecdh: ecdh.P384(),
	}
	p521 = curve{
		params: []byte{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23},
		id:     asn1.ObjectIdentifier{1, 3, 132, 0, 35},
		size:   66, nist: elliptic.P521(), ecdh: ecdh.P521(),
	}
	secp256k1Curve = curve{
		params: []byte{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a},
		id:     asn1.ObjectIdentifier{1, 3, 132, 0, 10},
		size:   32,
	}
	edwards25519 = curve{
		params: append([]byte{0x13, 12}, "edwards25519"...),
		id:     asn1.ObjectIdentifier{1, 3, 101, 112},
		size:   32,
	}
)
