package kms_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/kms"
)

func transportKey(t testing.TB, bits int) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// TestImportToken: a token is read as it was written, with the largest pair within
// the limit of the API, and nothing is read that is not whole.
func TestImportToken(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	public := transportKey(t, 4096)
	wrapped := bytes.Repeat([]byte{7}, 2400)
	for _, algorithm := range []string{"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"} {
		b := kms.NewImportToken(algorithm, at, "00112233445566778899aabbccddeeff", wrapped, public)
		parsed, err := kms.ParseImportToken(b)
		if err != nil || !bytes.Equal(parsed.Encode(), b) {
			t.Errorf("%s: %v", algorithm, err)
		}
		if len(b) > 6144-100 {
			t.Errorf("%d bytes before sealing", len(b))
		}
		for n := range b {
			if _, err := kms.ParseImportToken(b[:n]); err == nil {
				t.Errorf("%d of %d bytes are a token", n, len(b))
			}
		}
		for _, bad := range [][]byte{append(bytes.Clone(b), 0), append([]byte{2}, b[1:]...), append([]byte{1, 0}, b[2:]...), append([]byte{1, 5}, b[2:]...)} {
			if _, err := kms.ParseImportToken(bad); err == nil {
				t.Errorf("%s: %x… is a token", algorithm, bad[:4])
			}
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, public := range map[string][]byte{"none": {}, "RSA-1024": transportKey(t, 1024), "elliptic curve": ec} {
		if _, err := kms.ParseImportToken(kms.NewImportToken("RSAES_OAEP_SHA_1", at, "d", wrapped, public)); err == nil {
			t.Errorf("transport key: %s", name)
		}
	}
}

// FuzzImportToken: whatever is a token has one form.
func FuzzImportToken(f *testing.F) {
	public := transportKey(f, 2048)
	f.Add(kms.NewImportToken("RSAES_OAEP_SHA_256", time.Unix(1, 0), "00112233445566778899aabbccddeeff", []byte{1, 2, 3}, public))
	f.Add(kms.NewImportToken("RSA_AES_KEY_WRAP_SHA_1", time.Unix(1<<33, 0), "d", bytes.Repeat([]byte{1}, 1232), public))
	f.Add([]byte{1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		token, err := kms.ParseImportToken(b)
		if err == nil && !bytes.Equal(token.Encode(), b) {
			t.Errorf("%x is read as %x", b, token.Encode())
		}
	})
}
