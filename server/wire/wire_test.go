package wire_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/server/wire"
)

// encryptBody is an Encrypt request of n bytes of plaintext, with context.
func encryptBody(n int) []byte {
	plain := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xA5}, n))
	return []byte(`{"KeyId":"alias/app","Plaintext":"` + plain +
		`","EncryptionContext":{"purpose":"test","tenant":"a"},"EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`)
}

// refused fails the test unless err is a SerializationError with that text.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	var se *wire.SerializationError
	if !errors.As(err, &se) {
		t.Fatalf("got %v, want a SerializationError", err)
	}
	if se.Message != want {
		t.Errorf("got %q, want %q", se.Message, want)
	}
}

func BenchmarkDecodeJSONEncrypt4KiB(b *testing.B) {
	body := encryptBody(4096)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		var in kmsapi.EncryptRequest
		if err := wire.DecodeJSON(body, &in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeJSONEncrypt4KiB(b *testing.B) {
	alg := kmsapi.EncryptionAlgorithmSpecSymmetricDefault
	out := &kmsapi.EncryptResponse{
		CiphertextBlob:      make([]byte, 4200),
		KeyId:               new("arn:aws:kms:local-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
		EncryptionAlgorithm: &alg,
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.EncodeJSON(out); err != nil {
			b.Fatal(err)
		}
	}
}
