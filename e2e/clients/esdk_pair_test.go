package clients_test

import (
	"encoding/pem"
	"testing"

	mpltypes "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygeneratedtypes"
	primitives "github.com/aws/aws-cryptographic-material-providers-library/releases/go/primitives/awscryptographyprimitivessmithygeneratedtypes"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// unsigned is an algorithm suite for keyrings of key pairs, which refuse to sign.
var unsigned = mpltypes.ESDKAlgorithmSuiteIdAlgAes256GcmHkdfSha512CommitKey

// TestEncryptionSDKRSA seals a message with a public key alone, and opens it
// with the private key in keyd.
func TestEncryptionSDKRSA(t *testing.T) {
	key := newKeyOf(t, types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt)
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicKey(t, key)}))
	actAs(t, "kms:Decrypt")
	sdk := newESDK(t, keyd.vars["AWS_REGION"])
	sdk.suite = &unsigned
	ring, err := sdk.rings.CreateAwsKmsRsaKeyring(t.Context(), mpltypes.CreateAwsKmsRsaKeyringInput{
		KmsClient: sdk.kms, KmsKeyId: key, PublicKey: []byte(public), EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256,
	})
	if err != nil {
		t.Fatal(err)
	}
	sdk.round(ring, ring, key)
}

// TestEncryptionSDKECDH seals a message from one key pair to another, both in
// keyd, and opens it with the recipient's.
func TestEncryptionSDKECDH(t *testing.T) {
	sender := newKeyOf(t, types.KeySpecEccNistP384, types.KeyUsageTypeKeyAgreement)
	recipient := newKeyOf(t, types.KeySpecEccNistP384, types.KeyUsageTypeKeyAgreement)
	actAs(t, "kms:GetPublicKey", "kms:DeriveSharedSecret")
	sdk := newESDK(t, keyd.vars["AWS_REGION"])
	sdk.suite = &unsigned
	ring := func(scheme mpltypes.KmsEcdhStaticConfigurations) mpltypes.IKeyring {
		ring, err := sdk.rings.CreateAwsKmsEcdhKeyring(t.Context(), mpltypes.CreateAwsKmsEcdhKeyringInput{
			CurveSpec: primitives.ECDHCurveSpecEccNistP384, KmsClient: sdk.kms, KeyAgreementScheme: scheme,
		})
		if err != nil {
			t.Fatal(err)
		}
		return ring
	}
	from := ring(&mpltypes.KmsEcdhStaticConfigurationsMemberKmsPrivateKeyToStaticPublicKey{
		Value: mpltypes.KmsPrivateKeyToStaticPublicKeyInput{SenderKmsIdentifier: sender, RecipientPublicKey: publicKey(t, recipient)},
	})
	to := ring(&mpltypes.KmsEcdhStaticConfigurationsMemberKmsPublicKeyDiscovery{
		Value: mpltypes.KmsPublicKeyDiscoveryInput{RecipientKmsIdentifier: recipient},
	})
	sdk.round(from, to, recipient)
}

// round seals with one keyring and opens with another, while it may.
func (e esdkGo) round(from, to mpltypes.IKeyring, key string) {
	e.t.Helper()
	sealed, err := e.seal(from)
	if err != nil {
		e.t.Fatal(err)
	}
	if plain, err := e.open(to, sealed); err != nil || plain != letter {
		e.t.Errorf("opened %q, %v", plain, err)
	}
	disable(e.t, key)
	_, err = e.open(to, sealed)
	refused(e.t, err, "DisabledException")
}

// publicKey is a key pair's SubjectPublicKeyInfo.
func publicKey(t *testing.T, key string) []byte {
	t.Helper()
	out, err := keyd.kms.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &key})
	if err != nil {
		t.Fatal(err)
	}
	return out.PublicKey
}
