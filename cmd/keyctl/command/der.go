package command

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"errors"
)

// maxKeyFile is more than any key in any form: one of RSA with 4,096 bits has
// 3,300 bytes in PEM.
const maxKeyFile = 32 << 10

// readKeyFile reads a file with a key.
func (c *cli) readKeyFile(file, what string) ([]byte, error) {
	text, err := c.read(input{in: file}, maxKeyFile)
	if errors.Is(err, errTooLarge) {
		return nil, usagef("", "%s: more than 32,768 bytes, so it is no key", what)
	}
	if err == nil && len(bytes.TrimSpace(text)) == 0 {
		return nil, usagef("", "%s: empty", what)
	}
	return text, err
}

// readPublicKey reads a public key and returns its SubjectPublicKeyInfo (RFC
// 5280). What is inside, keyd judges.
func (c *cli) readPublicKey(file string) ([]byte, error) {
	text, err := c.readKeyFile(file, "public key")
	if err != nil {
		return nil, err
	}
	const hint = "make one from a private key: openssl pkey -in FILE -pubout"
	block, _ := pem.Decode(text)
	switch {
	case block != nil && block.Type == "PUBLIC KEY":
		return block.Bytes, nil
	case block != nil:
		return nil, usagef(hint, "public key: the PEM file holds a %s", block.Type)
	case oneSequence(text):
		return text, nil
	}
	if der, err := unbase64(text); err == nil && oneSequence(der) {
		return der, nil
	}
	return nil, usagef(hint, "public key: neither PEM nor DER")
}

// oneSequence reports whether b is one ASN.1 sequence and nothing more, as
// every key in DER is.
func oneSequence(b []byte) bool {
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(b, &v)
	return err == nil && len(rest) == 0 && v.Class == asn1.ClassUniversal && v.Tag == asn1.TagSequence && v.IsCompound
}
