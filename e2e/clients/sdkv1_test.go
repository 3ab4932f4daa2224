package clients_test

import (
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	awsv1 "github.com/aws/aws-sdk-go/aws"
	kmsv1 "github.com/aws/aws-sdk-go/service/kms"
)

// TestSDKv1 calls keyd with the SDK that many programs still have, and looks at
// the types of the errors, which depend on the service's word.
func TestSDKv1(t *testing.T) {
	key := newKey(t)
	pair := newKeyOf(t, types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
	actAs(t, "kms:GenerateDataKey", "kms:Decrypt", "kms:Sign", "kms:Verify")
	client := kmsv1.New(sessionV1(t))

	data, err := client.GenerateDataKey(&kmsv1.GenerateDataKeyInput{
		KeyId: &key, KeySpec: awsv1.String("AES_256"), EncryptionContext: awsv1.StringMap(map[string]string{"a": "b"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	open := &kmsv1.DecryptInput{CiphertextBlob: data.CiphertextBlob, EncryptionContext: awsv1.StringMap(map[string]string{"a": "b"})}
	if out, err := client.Decrypt(open); err != nil || string(out.Plaintext) != string(data.Plaintext) {
		t.Errorf("Decrypt: %v", err)
	}
	open.EncryptionContext = nil
	_, err = client.Decrypt(open)
	if _, ok := errors.AsType[*kmsv1.InvalidCiphertextException](err); !ok {
		t.Errorf("without the context: %v", err)
	}

	digest := sha256.Sum256([]byte("message"))
	signed, err := client.Sign(&kmsv1.SignInput{
		KeyId: &pair, Message: digest[:], MessageType: awsv1.String("DIGEST"), SigningAlgorithm: awsv1.String("ECDSA_SHA_256"),
	})
	if err != nil {
		t.Fatal(err)
	}
	check := &kmsv1.VerifyInput{KeyId: &pair, Message: []byte("message"), Signature: signed.Signature, SigningAlgorithm: signed.SigningAlgorithm}
	if _, err := client.Verify(check); err != nil {
		t.Error(err)
	}
	check.Message = []byte("massage")
	_, err = client.Verify(check)
	if _, ok := errors.AsType[*kmsv1.KMSInvalidSignatureException](err); !ok {
		t.Errorf("another message: %v", err)
	}
	_, err = client.Encrypt(&kmsv1.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
	refused(t, err, "AccessDeniedException")
}
