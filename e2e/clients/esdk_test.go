package clients_test

import (
	"testing"

	mpl "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygenerated"
	mpltypes "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygeneratedtypes"
	esdk "github.com/aws/aws-encryption-sdk/releases/go/encryption-sdk/awscryptographyencryptionsdksmithygenerated"
	esdktypes "github.com/aws/aws-encryption-sdk/releases/go/encryption-sdk/awscryptographyencryptionsdksmithygeneratedtypes"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

const letter = "the message, of any length"

// TestEncryptionSDK seals messages with the AWS Encryption SDK under two keys,
// in Go and in JavaScript, and opens each with either key in the other language.
func TestEncryptionSDK(t *testing.T) {
	generator, other := newKey(t), newKey(t)
	actAs(t, "kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt")
	js, golang := javascript(t), newESDK(t, keyd.vars["AWS_REGION"])
	both, alone := golang.ring(generator, other), golang.ring(other)

	sealed, err := golang.seal(both)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{generator, other} {
		if plain, err := js.run(sealed, "esdk.mjs", "decrypt", "mail", key); err != nil || plain != letter {
			t.Errorf("JavaScript opens %q, %v", plain, err)
		}
	}
	foreign, err := js.run(letter, "esdk.mjs", "encrypt", "mail", generator, other)
	if err != nil {
		t.Fatal(err)
	}
	for name, message := range map[string]string{"Go": sealed, "JavaScript": foreign} {
		if plain, err := golang.open(alone, message); err != nil || plain != letter {
			t.Errorf("Go opens %s's: %q, %v", name, plain, err)
		}
	}
	_, err = js.run(sealed, "esdk.mjs", "decrypt", "post", other)
	refused(t, err, "another purpose: mail")

	disable(t, other)
	_, err = golang.open(alone, foreign)
	refused(t, err, "DisabledException")
	_, err = js.run(sealed, "esdk.mjs", "decrypt", "mail", other)
	refused(t, err, "DisabledException")
}

// TestEncryptionSDKReplica seals under a multi-Region key and opens with its
// replica in another Region, where the primary key is not asked.
func TestEncryptionSDKReplica(t *testing.T) {
	const elsewhere = "eu-central-1"
	made, err := keyd.kms.CreateKey(t.Context(), &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	primary := *made.KeyMetadata.Arn
	copied, err := keyd.kms.ReplicateKey(t.Context(), &kms.ReplicateKeyInput{KeyId: &primary, ReplicaRegion: aws.String(elsewhere)})
	if err != nil {
		t.Fatal(err)
	}
	replica := *copied.ReplicaKeyMetadata.Arn
	actAs(t, "kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt")
	js, golang := javascript(t), newESDK(t, elsewhere)
	ring, err := golang.rings.CreateAwsKmsMrkKeyring(t.Context(), mpltypes.CreateAwsKmsMrkKeyringInput{KmsClient: golang.kms, KmsKeyId: replica})
	if err != nil {
		t.Fatal(err)
	}

	sealed, err := js.run(letter, "esdk.mjs", "encrypt", "mail", primary)
	if err != nil {
		t.Fatal(err)
	}
	disable(t, primary)
	if plain, err := js.run(sealed, "esdk.mjs", "decrypt", "mail", replica); err != nil || plain != letter {
		t.Errorf("JavaScript opens %q, %v", plain, err)
	}
	if plain, err := golang.open(ring, sealed); err != nil || plain != letter {
		t.Errorf("Go opens %q, %v", plain, err)
	}
	_, err = js.run(sealed, "esdk.mjs", "decrypt", "mail", primary)
	refused(t, err, "DisabledException")
}

// esdkGo is the AWS Encryption SDK for Go.
type esdkGo struct {
	t     *testing.T
	sdk   *esdk.Client
	rings *mpl.Client
	kms   *kms.Client
	suite *mpltypes.ESDKAlgorithmSuiteId // nil for the SDK's own choice
}

func newESDK(t *testing.T, region string) esdkGo {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(region))
	if err != nil {
		t.Fatal(err)
	}
	rings, err := mpl.NewClient(mpltypes.MaterialProvidersConfig{})
	if err != nil {
		t.Fatal(err)
	}
	sdk, err := esdk.NewClient(esdktypes.AwsEncryptionSdkConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return esdkGo{t: t, sdk: sdk, rings: rings, kms: kms.NewFromConfig(cfg)}
}

// ring joins a keyring of each key; the first makes data keys.
func (e esdkGo) ring(keys ...string) mpltypes.IKeyring {
	e.t.Helper()
	joined := mpltypes.CreateMultiKeyringInput{ChildKeyrings: []mpltypes.IKeyring{}} // nil is refused
	for _, key := range keys {
		ring, err := e.rings.CreateAwsKmsKeyring(e.t.Context(), mpltypes.CreateAwsKmsKeyringInput{KmsClient: e.kms, KmsKeyId: key})
		if err != nil {
			e.t.Fatal(err)
		}
		if joined.Generator == nil {
			joined.Generator = ring
			continue
		}
		joined.ChildKeyrings = append(joined.ChildKeyrings, ring)
	}
	ring, err := e.rings.CreateMultiKeyring(e.t.Context(), joined)
	if err != nil {
		e.t.Fatal(err)
	}
	return ring
}

// seal makes a message of the letter.
func (e esdkGo) seal(ring mpltypes.IKeyring) (string, error) {
	out, err := e.sdk.Encrypt(e.t.Context(), esdktypes.EncryptInput{
		Plaintext: []byte(letter), Keyring: ring, EncryptionContext: map[string]string{"purpose": "mail"}, AlgorithmSuiteId: e.suite,
	})
	if err != nil {
		return "", err
	}
	return string(out.Ciphertext), nil
}

// open returns what is in a message.
func (e esdkGo) open(ring mpltypes.IKeyring, message string) (string, error) {
	out, err := e.sdk.Decrypt(e.t.Context(), esdktypes.DecryptInput{Ciphertext: []byte(message), Keyring: ring})
	if err != nil {
		return "", err
	}
	return string(out.Plaintext), nil
}
