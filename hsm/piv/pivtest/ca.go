package pivtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"
)

// CA is an authority that certifies the attestation keys of cards, as Yubico
// does for its own.
type CA struct {
	root *x509.Certificate
	key  *ecdsa.PrivateKey
}

// The years of Yubico's own root, for all certificates here.
var (
	notBefore = time.Date(2016, 3, 14, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2052, 4, 17, 0, 0, 0, 0, time.UTC)
)

// NewCA makes an authority, for [AttestedBy].
func NewCA(t TB) *CA {
	t.Helper()
	ca, err := newCA()
	if err != nil {
		t.Fatalf("attestation authority: %v", err)
	}
	return ca
}

func newCA() (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	number, err := serialNumber()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          number,
		Subject:               pkix.Name{CommonName: "Virtual PIV Root CA " + number.Text(16)[:8]},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            1,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	root, err := x509.ParseCertificate(der)
	return &CA{root, key}, err
}

// Root returns the authority's certificate: what a program must trust in place of
// Yubico's.
func (a *CA) Root() *x509.Certificate { return a.root }

// CA returns the authority that certified the card's attestation key.
func (c *Card) CA() *CA { return c.issuer }

// issue makes an attestation key, and its certificate in the form of a data
// object.
func (a *CA) issue(firmware Version) (*key, []byte, error) {
	made, err := p256Curve.generate()
	if err != nil {
		return nil, nil, err
	}
	number, err := serialNumber()
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          number,
		Subject:               pkix.Name{CommonName: "Yubico PIV Attestation"},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		ExtraExtensions:       []pkix.Extension{{Id: extensionFirmware, Value: firmware.bytes()}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, made.public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	k := &key{algorithm: p256, policy: policy{pinNever, touchNever}, origin: generated, private: made}
	object := appendTLV(nil, tagCertificate, der)
	object = appendTLV(object, 0x71, []byte{0}) // not compressed
	return k, appendTLV(object, 0xfe, nil), nil
}

// serialNumber draws the number of a certificate.
func serialNumber() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return n.SetBit(n, 127, 1), nil
}
