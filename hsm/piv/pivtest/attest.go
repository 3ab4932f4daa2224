package pivtest

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
)

// Yubico's extensions of attestation certificates, and what stands in them raw,
// without an ASN.1 type, unless said otherwise.
var (
	extensionFirmware   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 3} // three bytes
	extensionSerial     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 7} // INTEGER
	extensionPolicy     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 8} // PIN policy, touch policy
	extensionFormFactor = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 9} // one byte
)

// attest certifies, with the attestation key, that a key was made in the card,
// and its policies. Imported keys are not certified, nor the attestation key.
func (c *Card) attest(cmd command) ([]byte, status) {
	s := slot(cmd.p1)
	if cmd.p2 != 0 || len(cmd.data) != 0 || !s.exists() || s == attestation {
		return nil, statusParameters
	}
	k, signer := c.keys[s], c.keys[attestation]
	if k == nil || k.origin != generated || signer == nil {
		return nil, statusData
	}
	f, ok := parseTLV(c.objects[attestationCertificate])
	if !ok {
		return nil, statusData
	}
	issuer, err := x509.ParseCertificate(f[tagCertificate])
	if err != nil {
		return nil, statusData
	}
	der, err := c.statement(s, k, issuer, signer)
	if err != nil {
		return nil, statusInternal
	}
	return der, statusOK
}

// statement signs the certificate, which is valid as long as the issuer's.
func (c *Card) statement(s slot, k *key, issuer *x509.Certificate, signer *key) ([]byte, error) {
	serial, err := asn1.Marshal(int64(c.serial))
	if err != nil {
		return nil, err
	}
	number, err := serialNumber()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: number,
		Subject:      pkix.Name{CommonName: fmt.Sprintf("YubiKey PIV Attestation %x", byte(s))},
		NotBefore:    issuer.NotBefore,
		NotAfter:     issuer.NotAfter,
		ExtraExtensions: []pkix.Extension{
			{Id: extensionFirmware, Value: c.firmware.bytes()},
			{Id: extensionSerial, Value: serial},
			{Id: extensionPolicy, Value: []byte{byte(k.policy.pin), byte(k.policy.touch)}},
			{Id: extensionFormFactor, Value: []byte{c.formFactor}},
		},
	}
	return x509.CreateCertificate(rand.Reader, template, issuer, k.private.public(), signer.private.key())
}
