package api_test

import (
	"testing"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
)

func BenchmarkValidateEncrypt(b *testing.B) {
	in := &kmsapi.EncryptRequest{
		KeyId:               new("arn:aws:kms:local-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
		Plaintext:           make([]byte, 4096),
		EncryptionContext:   map[string]string{"purpose": "test"},
		EncryptionAlgorithm: new(kmsapi.EncryptionAlgorithmSpecSymmetricDefault),
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := api.Validate(in); err != nil {
			b.Fatal(err)
		}
	}
}
