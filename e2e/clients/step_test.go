package clients_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"go.step.sm/crypto/kms/apiv1"
	"go.step.sm/crypto/kms/awskms"
)

// TestStep makes the root of a certificate authority as step-ca does, for every
// algorithm the client knows, and signs a certificate with it.
func TestStep(t *testing.T) {
	actAs(t, "kms:CreateKey", "kms:TagResource", "kms:CreateAlias", "kms:GetPublicKey", "kms:Sign")
	manager := stepManager(t)
	for _, algorithm := range []struct {
		sign apiv1.SignatureAlgorithm
		bits int
		x509 x509.SignatureAlgorithm
	}{
		{apiv1.ECDSAWithSHA256, 0, x509.ECDSAWithSHA256},
		{apiv1.ECDSAWithSHA384, 0, x509.ECDSAWithSHA384},
		{apiv1.ECDSAWithSHA512, 0, x509.ECDSAWithSHA512},
		{apiv1.PureEd25519, 0, x509.PureEd25519},
		{apiv1.SHA256WithRSA, 2048, x509.SHA256WithRSA},
		{apiv1.SHA384WithRSAPSS, 2048, x509.SHA384WithRSAPSS},
	} {
		t.Run(algorithm.sign.String(), func(t *testing.T) {
			key, err := manager.CreateKey(&apiv1.CreateKeyRequest{
				Name: "awskms:name=root-ca", SignatureAlgorithm: algorithm.sign, Bits: algorithm.bits,
			})
			if err != nil {
				t.Fatal(err)
			}
			signer, err := manager.CreateSigner(&key.CreateSignerRequest)
			if err != nil {
				t.Fatal(err)
			}
			if err := selfSign(signer, algorithm.x509); err != nil {
				t.Fatal(err)
			}
			disable(t, key.Name[len("awskms:key-id="):])
			refused(t, selfSign(signer, algorithm.x509), "DisabledException")
		})
	}
}

func stepManager(t *testing.T) *awskms.KMS {
	t.Helper()
	manager, err := awskms.New(t.Context(), apiv1.Options{URI: "awskms:region=" + keyd.vars["AWS_REGION"]})
	if err != nil {
		t.Fatal(err)
	}
	return manager
}

// selfSign makes a root certificate and checks it.
func selfSign(signer crypto.Signer, algorithm x509.SignatureAlgorithm) error {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root"}, SignatureAlgorithm: algorithm,
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	return cert.CheckSignatureFrom(cert)
}

// TestStepDecrypter opens what was encrypted with the public key outside.
func TestStepDecrypter(t *testing.T) {
	key := newKeyOf(t, types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt)
	actAs(t, "kms:GetPublicKey", "kms:Decrypt")
	decrypter, err := stepManager(t).CreateDecrypter(&apiv1.CreateDecrypterRequest{DecryptionKey: "awskms:key-id=" + key})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, decrypter.Public().(*rsa.PublicKey), []byte("scep"), nil)
	if err != nil {
		t.Fatal(err)
	}
	oaep := &rsa.OAEPOptions{Hash: crypto.SHA256}
	if plain, err := decrypter.Decrypt(nil, sealed, oaep); err != nil || string(plain) != "scep" {
		t.Errorf("Decrypt: %q, %v", plain, err)
	}
	_, err = decrypter.Decrypt(nil, sealed, &rsa.OAEPOptions{Hash: crypto.SHA1})
	refused(t, err, "InvalidCiphertextException")
	disable(t, key)
	_, err = decrypter.Decrypt(nil, sealed, oaep)
	refused(t, err, "DisabledException")
}
