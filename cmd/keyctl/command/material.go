package command

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// secretSizes are how many bytes the secret of a key has; other specs have a
// private key. For HMAC it is the size of the hash's output.
var secretSizes = map[types.KeySpec]int{
	types.KeySpecSymmetricDefault: 32,
	types.KeySpecHmac224:          28, types.KeySpecHmac256: 32, types.KeySpecHmac384: 48, types.KeySpecHmac512: 64,
}

// parseMaterial finds in a file what KMS imports into a key of this spec: the
// bytes of a secret, or a private key in PKCS #8 (RFC 5208) and DER.
func parseMaterial(text []byte, spec types.KeySpec) ([]byte, error) {
	if size, ok := secretSizes[spec]; ok {
		return parseSecret(text, size)
	}
	return parsePrivateKey(text)
}

// parseSecret reads a secret of this size.
func parseSecret(text []byte, size int) ([]byte, error) {
	if b, ok := fixedBytes(text, size); ok {
		return b, nil
	}
	return nil, usagef("if the bytes really are text, encode them as base64",
		"material: must be the %d bytes of a secret, as they are, in base64 or in hexadecimal", size)
}

// parsePrivateKey reads a private key in PEM or DER. What the older formats hold
// is put into PKCS #8; whether it is the right key, keyd judges.
func parsePrivateKey(text []byte) ([]byte, error) {
	const hint = "openssl pkcs8 -topk8 -nocrypt -outform DER -in FILE makes the form that every key has"
	rest := text
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch block.Type {
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, usagef(hint, "material: the private key is encrypted with a passphrase")
			}
			return pkcs8(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, usagef(hint, "material: the private key is encrypted with a passphrase")
		}
	}
	if oneSequence(text) {
		return pkcs8(text)
	}
	if der, err := unbase64(text); err == nil && oneSequence(der) {
		return pkcs8(der)
	}
	return nil, usagef(hint, "material: no private key in PEM or DER")
}

// pkcs8 returns a private key in DER as PKCS #8. The second element tells the
// formats apart: it is the algorithm in PKCS #8, the modulus in PKCS #1 (RFC
// 8017), the private number in SEC 1 (RFC 5915).
func pkcs8(der []byte) ([]byte, error) {
	var elements []asn1.RawValue
	if _, err := asn1.Unmarshal(der, &elements); err != nil || len(elements) < 3 {
		return nil, usagef("", "material: not a private key")
	}
	var algorithm pkix.AlgorithmIdentifier
	switch elements[1].Tag {
	case asn1.TagSequence:
		return der, nil
	case asn1.TagInteger:
		algorithm = pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue}
	case asn1.TagOctetString:
		var err error
		if algorithm, err = sec1Algorithm(elements[2:]); err != nil {
			return nil, err
		}
	default:
		return nil, usagef("", "material: not a private key")
	}
	return asn1.Marshal(struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}{0, algorithm, der})
}

var oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}

// sec1Algorithm finds the curve that a SEC 1 key names.
func sec1Algorithm(optional []asn1.RawValue) (pkix.AlgorithmIdentifier, error) {
	for _, e := range optional {
		var named asn1.ObjectIdentifier
		if e.Class != asn1.ClassContextSpecific || e.Tag != 0 {
			continue
		}
		if _, err := asn1.Unmarshal(e.Bytes, &named); err == nil {
			return ecAlgorithm(named)
		}
	}
	return pkix.AlgorithmIdentifier{}, usagef("openssl pkcs8 -topk8 -nocrypt -outform DER -in FILE", "material: the key does not name its curve")
}
