package command_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
)

func TestMaterialSecrets(t *testing.T) {
	secret := append([]byte{0xff}, bytes.Repeat([]byte{7}, 31)...)
	text := base64.StdEncoding.EncodeToString(secret)
	for name, in := range map[string]string{
		"raw": string(secret), "base64": text + "\n", "folded": text[:20] + "\n" + text[20:], "hex": hex.EncodeToString(secret) + "\n",
	} {
		got, err := command.ParseMaterial([]byte(in), types.KeySpecSymmetricDefault)
		if err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for name, in := range map[string]string{
		"short": string(secret[1:]), "long": string(secret) + "x", "text of that length": strings.Repeat("a", 32),
		"hexadecimal of half": hex.EncodeToString(secret[:16]), "base64 of less": base64.StdEncoding.EncodeToString(secret[1:]),
	} {
		if got, err := command.ParseMaterial([]byte(in), types.KeySpecSymmetricDefault); err == nil {
			t.Errorf("%s: taken for %x", name, got)
		}
	}
	if got, err := command.ParseMaterial([]byte(hex.EncodeToString(secret)), types.KeySpecHmac384); err == nil {
		t.Errorf("hexadecimal was taken for base64: %x", got)
	}
	for spec, size := range map[types.KeySpec]int{types.KeySpecHmac224: 28, types.KeySpecHmac384: 48, types.KeySpecHmac512: 64} {
		if got, err := command.ParseMaterial(append(make([]byte, size-1), 0xff), spec); err != nil || len(got) != size {
			t.Errorf("%s: %d bytes, %v", spec, len(got), err)
		}
	}
}

// TestMaterialPrivateKeys: each format ends as PKCS #8 that Go reads as the same key.
func TestMaterialPrivateKeys(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	rsa8, ec8 := mustPKCS8(t, rsaKey), mustPKCS8(t, ecKey)
	armor := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	for name, tc := range map[string]struct {
		in   []byte
		want interface{ Equal(crypto.PrivateKey) bool }
	}{
		"PKCS 8":             {armor("PRIVATE KEY", rsa8), rsaKey},
		"PKCS 8 DER":         {ec8, ecKey},
		"PKCS 8 base64":      {[]byte(base64.StdEncoding.EncodeToString(ec8)), ecKey},
		"PKCS 1":             {armor("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), rsaKey},
		"PKCS 1 DER":         {x509.MarshalPKCS1PrivateKey(rsaKey), rsaKey},
		"SEC 1":              {armor("EC PRIVATE KEY", sec1), ecKey},
		"SEC 1 DER":          {sec1, ecKey},
		"SEC 1 after params": {append(armor("EC PARAMETERS", []byte{6, 1, 1}), armor("EC PRIVATE KEY", sec1)...), ecKey},
	} {
		der, err := command.ParseMaterial(tc.in, types.KeySpecEccNistP384)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil || !tc.want.Equal(got) {
			t.Errorf("%s: another key, %v", name, err)
		}
	}
	for name, in := range map[string][]byte{
		"nothing": []byte("x"), "public": armor("PUBLIC KEY", ec8), "encrypted": armor("ENCRYPTED PRIVATE KEY", ec8),
		"truncated": ec8[:len(ec8)-1], "with more behind": append(bytes.Clone(ec8), 0), "no curve": {0x30, 9, 2, 1, 1, 4, 1, 1, 0xa1, 1, 0},
		"short": {0x30, 3, 2, 1, 0},
	} {
		if _, err := command.ParseMaterial(in, types.KeySpecRsa2048); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func mustPKCS8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// FuzzMaterial: a file that is no key is refused, and what is accepted is one
// sequence in DER.
func FuzzMaterial(f *testing.F) {
	f.Add([]byte{0x30, 9, 2, 1, 1, 4, 1, 1, 0xa0, 1, 0})
	f.Add([]byte("-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		der, err := command.ParseMaterial(in, types.KeySpecRsa2048)
		if err != nil {
			return
		}
		var v []asn1.RawValue
		if _, err := asn1.Unmarshal(der, &v); err != nil || len(v) < 3 {
			t.Errorf("%x was taken for a key: %x, %v", in, der, err)
		}
	})
}
