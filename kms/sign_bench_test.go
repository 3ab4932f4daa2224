package kms_test

import (
	"crypto/sha256"
	"testing"

	"github.com/keyd-hsm/keyd/kms"
)

// BenchmarkSign is Sign of a digest without server and audit: key, token, DER.
//
//	go test ./kms -run '^$' -bench '^BenchmarkSign$'
func BenchmarkSign(b *testing.B) {
	s, _ := newService(b)
	digest := sha256.Sum256([]byte("m"))
	for spec, algorithm := range map[string]string{
		"ECC_NIST_P256": "ECDSA_SHA_256", "ECC_SECG_P256K1": "ECDSA_SHA_256", "RSA_2048": "RSASSA_PSS_SHA_256", "RSA_4096": "RSASSA_PSS_SHA_256",
	} {
		draft, err := s.Draft(kms.NewKey{Region: "eu-1", Spec: spec, Usage: kms.SignVerify, Policy: s.DefaultPolicy()})
		if err != nil {
			b.Fatal(err)
		}
		key, err := s.MakeKey(b.Context(), draft)
		if err != nil {
			b.Fatal(err)
		}
		signature, err := s.Sign(b.Context(), key, algorithm, kms.MessageDigest, digest[:])
		if err != nil {
			b.Fatal(err)
		}
		b.Run("Sign/"+spec, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Sign(b.Context(), key, algorithm, kms.MessageDigest, digest[:]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("Verify/"+spec, func(b *testing.B) {
			for b.Loop() {
				if err := s.Verify(key, algorithm, kms.MessageDigest, digest[:], signature); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
