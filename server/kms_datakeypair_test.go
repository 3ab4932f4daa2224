package server_test

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

// TestDataKeyPairs: OpenSSL reads both halves of a pair, and they belong together.
func TestDataKeyPairs(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	id := kit.NewKey(region)
	context := map[string]string{"a": "1"}
	for _, spec := range []types.DataKeyPairSpec{
		"RSA_2048", "RSA_3072", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519",
	} {
		t.Run(string(spec), func(t *testing.T) {
			out := must(c.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: &id, KeyPairSpec: spec, EncryptionContext: context}))
			d := must(c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: out.PrivateKeyCiphertextBlob, EncryptionContext: context}))
			if !bytes.Equal(d.Plaintext, out.PrivateKeyPlaintext) || out.KeyPairSpec != spec || *out.KeyMaterialId != *d.KeyMaterialId || *out.KeyId != *d.KeyId {
				t.Errorf("%+v", out)
			}
			halvesMatch(t, out.PrivateKeyPlaintext, out.PublicKey)
			blind := must(c.GenerateDataKeyPairWithoutPlaintext(ctx, &kms.GenerateDataKeyPairWithoutPlaintextInput{KeyId: &id, KeyPairSpec: spec, EncryptionContext: context}))
			d = must(c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blind.PrivateKeyCiphertextBlob, EncryptionContext: context}))
			if blind.KeyPairSpec != spec || *blind.KeyMaterialId != *d.KeyMaterialId || bytes.Equal(blind.PublicKey, out.PublicKey) {
				t.Errorf("%+v", blind)
			}
			halvesMatch(t, d.Plaintext, blind.PublicKey)
		})
	}
}

// halvesMatch has OpenSSL check the private key, and derive the public one from it.
func halvesMatch(t *testing.T, pkcs8, spki []byte) {
	t.Helper()
	files := map[string][]byte{"key": pkcs8, "pub": spki}
	if text, err := openssl(t, files, "pkey", "-inform", "DER", "-in", "key", "-check", "-noout"); err != nil {
		t.Errorf("private key: %s", text)
	}
	derived, err := openssl(t, files, "pkey", "-inform", "DER", "-in", "key", "-pubout", "-outform", "DER")
	if err != nil || derived != string(spki) {
		t.Errorf("public key %x of the private one, want %x", derived, spki)
	}
}

// TestDataKeyPairsRefuse provokes the exceptions of both operations.
func TestDataKeyPairsRefuse(t *testing.T) {
	kit := testkit.Start(t)
	ring := newKeyring(kit.KMS(region))
	c, ctx := ring.c, t.Context()
	id := kit.NewKey(region)
	pair := ring.key(t, "RSA_2048", "ENCRYPT_DECRYPT")
	signer := ring.key(t, "ECC_NIST_P256", "SIGN_VERIFY")
	const absent = "1234abcd-12ab-34cd-56ef-1234567890ab"
	try := func(what string, in kms.GenerateDataKeyPairInput, code, text string) {
		t.Helper()
		if in.KeyId == nil {
			in.KeyId = &id
		}
		if in.KeyPairSpec == "" {
			in.KeyPairSpec = "ECC_NIST_P256"
		}
		_, err := c.GenerateDataKeyPair(ctx, &in)
		refusedAs(t, "GenerateDataKeyPair: "+what, err, code, text)
		if in.Recipient != nil {
			return
		}
		_, err = c.GenerateDataKeyPairWithoutPlaintext(ctx, &kms.GenerateDataKeyPairWithoutPlaintextInput{
			KeyId: in.KeyId, KeyPairSpec: in.KeyPairSpec, GrantTokens: in.GrantTokens, DryRun: in.DryRun,
		})
		refusedAs(t, "GenerateDataKeyPairWithoutPlaintext: "+what, err, code, text)
	}
	try("absent", kms.GenerateDataKeyPairInput{KeyId: new(absent)}, "NotFoundException", "does not exist")
	try("key pair", kms.GenerateDataKeyPairInput{KeyId: pair.KeyId}, "InvalidKeyUsageException", "You cannot generate a data key with an asymmetric CMK")
	try("signing key", kms.GenerateDataKeyPairInput{KeyId: signer.KeyId}, "InvalidKeyUsageException", *signer.Arn+" key usage is SIGN_VERIFY which is not valid for GenerateDataKeyPair")
	try("SM2", kms.GenerateDataKeyPairInput{KeyPairSpec: "SM2"}, "UnsupportedOperationException", "KeyPairSpec SM2 is not supported.")
	try("ML-KEM", kms.GenerateDataKeyPairInput{KeyPairSpec: "ML_KEM_768"}, "UnsupportedOperationException", "KeyPairSpec ML_KEM_768 is not supported.")
	try("recipient", kms.GenerateDataKeyPairInput{Recipient: &types.RecipientInfo{}}, "UnsupportedOperationException", "Recipient")
	try("token", kms.GenerateDataKeyPairInput{GrantTokens: []string{"x"}}, "InvalidGrantTokenException", "")
	try("dry run", kms.GenerateDataKeyPairInput{DryRun: new(true)}, "DryRunOperationException", "would have succeeded")
	_, err := c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: pair.KeyId, KeySpec: "AES_256", EncryptionContext: map[string]string{"a": "1"}})
	refused(t, "data key of a pair", err, "InvalidKeyUsageException", "You cannot generate a data key with an asymmetric CMK")
	_, err = c.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: pair.KeyId, KeySpec: "AES_256"})
	refused(t, "blind data key of a pair", err, "InvalidKeyUsageException", "You cannot generate a data key with an asymmetric CMK")
	must(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id}))
	try("disabled", kms.GenerateDataKeyPairInput{}, "DisabledException", "is disabled.")
	must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id}))
	try("pending", kms.GenerateDataKeyPairInput{}, "KMSInvalidStateException", "is pending deletion.")
}

// TestEncapsulation: no key of the token's encapsulates, and each says so.
func TestEncapsulation(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	id := kit.NewKey(region)
	const absent = "1234abcd-12ab-34cd-56ef-1234567890ab"
	try := func(what, id, code, text string) {
		t.Helper()
		_, err := c.Encapsulate(ctx, &kms.EncapsulateInput{KeyId: &id, EncapsulationAlgorithm: "ML_KEM"})
		refused(t, "Encapsulate: "+what, err, code, text)
		_, err = c.Decapsulate(ctx, &kms.DecapsulateInput{KeyId: &id, EncapsulationAlgorithm: "ML_KEM", SharedSecretCiphertextBlob: []byte("x")})
		refused(t, "Decapsulate: "+what, err, code, text)
	}
	try("absent", absent, "NotFoundException", "does not exist")
	try("encryption key", id, "InvalidKeyUsageException", " key usage is ENCRYPT_DECRYPT which is not valid for ")
	must(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id}))
	try("disabled", id, "DisabledException", "is disabled.")
	must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id}))
	try("pending", id, "KMSInvalidStateException", "is pending deletion.")
}
