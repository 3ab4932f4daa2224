package clients_test

import (
	"encoding/hex"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	awsv1 "github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/session"
	kmsv1 "github.com/aws/aws-sdk-go/service/kms"
	tinkv2 "github.com/tink-crypto/tink-go-awskms/v2/integration/awskms"
	tinkv3 "github.com/tink-crypto/tink-go-awskms/v3/integration/awskms"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/core/registry"
)

func TestTink(t *testing.T) {
	key := newKey(t)
	actAs(t, "kms:Encrypt", "kms:Decrypt")
	for _, version := range []struct {
		name string
		open func() (registry.KMSClient, error)
	}{
		{"v3", func() (registry.KMSClient, error) {
			return tinkv3.NewClientWithOptions(t.Context(), "aws-kms://"+key)
		}},
		{"v2", func() (registry.KMSClient, error) { // on aws-sdk-go v1
			return tinkv2.NewClientWithOptions("aws-kms://"+key, tinkv2.WithKMS(kmsv1.New(sessionV1(t))))
		}},
	} {
		t.Run(version.name, func(t *testing.T) {
			client, err := version.open()
			if err != nil {
				t.Fatal(err)
			}
			tinkRound(t, client, key)
		})
	}
}

// tinkRound uses a key directly and as the key that wraps data keys.
func tinkRound(t *testing.T, client registry.KMSClient, key string) {
	enable(t, key)
	remote, err := client.GetAEAD("aws-kms://" + key)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := remote.Encrypt([]byte("secret"), []byte("row 7"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := remote.Decrypt(sealed, []byte("row 7")); err != nil || string(plain) != "secret" {
		t.Errorf("Decrypt: %q, %v", plain, err)
	}
	// A key policy can ask for this by kms:EncryptionContext:associatedData.
	context := map[string]string{"associatedData": hex.EncodeToString([]byte("row 7"))}
	if _, err := keyd.kms.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed, EncryptionContext: context}); err != nil {
		t.Error(err)
	}
	_, err = remote.Decrypt(sealed, []byte("row 8"))
	refused(t, err, "InvalidCiphertextException")

	envelope := aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), remote)
	letter, err := envelope.Encrypt(make([]byte, 1<<20), []byte("photo"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := envelope.Decrypt(letter, []byte("photo")); err != nil || len(plain) != 1<<20 {
		t.Errorf("envelope Decrypt: %d bytes, %v", len(plain), err)
	}
	disable(t, key)
	_, err = remote.Decrypt(sealed, []byte("row 7"))
	refused(t, err, "DisabledException")
}

// sessionV1 is aws-sdk-go v1's, which knows no AWS_ENDPOINT_URL.
func sessionV1(t *testing.T) *session.Session {
	t.Helper()
	s, err := session.NewSession(&awsv1.Config{Endpoint: awsv1.String(keyd.vars["AWS_ENDPOINT_URL"])})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
