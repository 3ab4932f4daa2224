package server_test

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

func TestMac(t *testing.T) {
	kit := testkit.Start(t)
	ring := newKeyring(kit.KMS(region))
	c, ctx := ring.c, t.Context()
	for size, is := range map[int]struct {
		spec      types.KeySpec
		algorithm types.MacAlgorithmSpec
	}{28: {"HMAC_224", "HMAC_SHA_224"}, 32: {"HMAC_256", "HMAC_SHA_256"}, 48: {"HMAC_384", "HMAC_SHA_384"}, 64: {"HMAC_512", "HMAC_SHA_512"}} {
		t.Run(string(is.spec), func(t *testing.T) {
			m := ring.key(t, is.spec, "GENERATE_VERIFY_MAC")
			for _, message := range [][]byte{[]byte("m"), bytes.Repeat([]byte("m"), 4096)} {
				out := must(c.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: m.KeyId, Message: message, MacAlgorithm: is.algorithm}))
				if len(out.Mac) != size || *out.KeyId != *m.Arn || out.MacAlgorithm != is.algorithm {
					t.Errorf("%d bytes: %+v", len(message), out)
				}
				v := must(c.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: m.KeyId, Message: message, MacAlgorithm: is.algorithm, Mac: out.Mac}))
				if !v.MacValid || *v.KeyId != *m.Arn || v.MacAlgorithm != is.algorithm {
					t.Errorf("%d bytes: %+v", len(message), v)
				}
				wrong := bytes.Clone(out.Mac)
				wrong[size-1] ^= 1
				for what, mac := range map[string][]byte{"changed": wrong, "cut": cut(out.Mac), "longer": append(bytes.Clone(out.Mac), 0)} {
					_, err := c.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: m.KeyId, Message: message, MacAlgorithm: is.algorithm, Mac: mac})
					refused(t, what, err, "KMSInvalidMacException", "")
				}
				_, err := c.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: m.KeyId, Message: append([]byte("x"), message[1:]...), MacAlgorithm: is.algorithm, Mac: out.Mac})
				refused(t, "other message", err, "KMSInvalidMacException", "")
			}
		})
	}
}

// TestMacRefuses provokes the exceptions of GenerateMac and VerifyMac.
func TestMacRefuses(t *testing.T) {
	kit := testkit.Start(t)
	ring := newKeyring(kit.KMS(region))
	c, ctx := ring.c, t.Context()
	key := ring.key(t, "HMAC_256", "GENERATE_VERIFY_MAC")
	symmetric := kit.NewKey(region)
	const absent = "1234abcd-12ab-34cd-56ef-1234567890ab"
	try := func(what string, in kms.GenerateMacInput, code, text string) {
		t.Helper()
		in.Message = []byte("m")
		if in.KeyId == nil {
			in.KeyId = key.KeyId
		}
		if in.MacAlgorithm == "" {
			in.MacAlgorithm = "HMAC_SHA_256"
		}
		_, err := c.GenerateMac(ctx, &in)
		refusedAs(t, "GenerateMac: "+what, err, code, text)
		_, err = c.VerifyMac(ctx, &kms.VerifyMacInput{
			KeyId: in.KeyId, Message: in.Message, MacAlgorithm: in.MacAlgorithm, GrantTokens: in.GrantTokens, DryRun: in.DryRun, Mac: make([]byte, 32),
		})
		refusedAs(t, "VerifyMac: "+what, err, code, text)
	}
	try("absent", kms.GenerateMacInput{KeyId: new(absent)}, "NotFoundException", "does not exist")
	try("encryption key", kms.GenerateMacInput{KeyId: &symmetric}, "InvalidKeyUsageException", symmetric+" key usage is ENCRYPT_DECRYPT which is not valid for ")
	try("algorithm", kms.GenerateMacInput{MacAlgorithm: "HMAC_SHA_512"}, "InvalidKeyUsageException", "Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_256.")
	try("enum", kms.GenerateMacInput{MacAlgorithm: "INVALID"}, "ValidationException", "Value 'INVALID' at 'macAlgorithm' failed to satisfy constraint: Member must satisfy enum value set")
	try("token", kms.GenerateMacInput{GrantTokens: []string{"none"}}, "InvalidGrantTokenException", "")
	try("dry run", kms.GenerateMacInput{DryRun: new(true)}, "DryRunOperationException", "would have succeeded")
	for operation, err := range map[string]error{
		"Encrypt":         failureOf(c.Encrypt(ctx, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("x")})),
		"GenerateDataKey": failureOf(c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: key.KeyId, KeySpec: "AES_256"})),
		"Sign":            failureOf(c.Sign(ctx, &kms.SignInput{KeyId: key.KeyId, Message: []byte("x"), SigningAlgorithm: "ECDSA_SHA_256"})),
	} {
		refused(t, operation, err, "InvalidKeyUsageException", *key.Arn+" key usage is GENERATE_VERIFY_MAC which is not valid for "+operation+".")
	}
	must(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: key.KeyId}))
	try("disabled", kms.GenerateMacInput{MacAlgorithm: "HMAC_SHA_512"}, "DisabledException", "is disabled.")
	must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: key.KeyId}))
	try("pending", kms.GenerateMacInput{}, "KMSInvalidStateException", "is pending deletion.")
}

// failureOf is the error of a call whose answer does not matter.
func failureOf[T any](_ T, err error) error { return err }
