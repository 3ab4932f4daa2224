package server_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// TestKeyUseContextRules: section 12, the condition keys of the operations on
// asymmetric and HMAC keys.
func TestKeyUseContextRules(t *testing.T) {
	r := startRuled(t)
	ring := newKeyring(r.KMS(region))
	c, ctx := r.KMSWith(region, r.ann), t.Context()
	named := func(name string, m *types.KeyMetadata) *string {
		must(ring.c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/" + name), TargetKeyId: m.KeyId}))
		return aws.String("alias/" + name)
	}
	signer := named("signer", ring.key(t, "ECC_NIST_P256", "SIGN_VERIFY"))
	mac := named("mac", ring.key(t, "HMAC_256", "GENERATE_VERIFY_MAC"))
	agree := named("agree", ring.key(t, "ECC_NIST_P256", "KEY_AGREEMENT"))
	pairs := map[string]string{"dept": "hr"}
	peer := must(x509.MarshalPKIXPublicKey(must(ecdh.P256().GenerateKey(rand.Reader)).PublicKey()))
	signature := must(ring.c.Sign(ctx, &kms.SignInput{KeyId: signer, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"})).Signature
	tag := must(ring.c.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: mac, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"})).Mac

	sign := func() error {
		return failureOf(c.Sign(ctx, &kms.SignInput{KeyId: signer, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"}))
	}
	signDigest := func() error {
		return failureOf(c.Sign(ctx, &kms.SignInput{KeyId: signer, Message: make([]byte, 32), MessageType: "DIGEST", SigningAlgorithm: "ECDSA_SHA_256"}))
	}
	verify := func() error {
		return failureOf(c.Verify(ctx, &kms.VerifyInput{KeyId: signer, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256", Signature: signature}))
	}
	generateMac := func() error {
		return failureOf(c.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: mac, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"}))
	}
	verifyMac := func() error {
		return failureOf(c.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: mac, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256", Mac: tag}))
	}
	derive := func() error {
		return failureOf(c.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{KeyId: agree, KeyAgreementAlgorithm: "ECDH", PublicKey: peer}))
	}
	public := func() error { return failureOf(c.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: signer})) }
	pair := func() error {
		return failureOf(c.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: &r.key, KeyPairSpec: "ECC_NIST_P256", EncryptionContext: pairs}))
	}
	blindPair := func() error {
		return failureOf(c.GenerateDataKeyPairWithoutPlaintext(ctx, &kms.GenerateDataKeyPairWithoutPlaintextInput{
			KeyId: &r.key, KeyPairSpec: "ECC_NIST_P256", EncryptionContext: pairs}))
	}
	all := []asked{
		{operation: "Sign", key: "kms:MessageType", value: "RAW", call: sign},
		{operation: "Sign", key: "kms:MessageType", value: "DIGEST", call: signDigest},
		{operation: "Sign", key: "kms:SigningAlgorithm", value: "ECDSA_SHA_256", call: sign},
		{operation: "Sign", key: "kms:KeyUsage", value: "SIGN_VERIFY", call: sign},
		{operation: "Verify", key: "kms:MessageType", value: "RAW", call: verify},
		{operation: "Verify", key: "kms:SigningAlgorithm", value: "ECDSA_SHA_256", call: verify},
		{operation: "Verify", key: "kms:RequestAlias", value: "alias/signer", call: verify},
		{operation: "GenerateMac", key: "kms:MacAlgorithm", value: "HMAC_SHA_256", call: generateMac},
		{operation: "GenerateMac", key: "kms:KeySpec", value: "HMAC_256", call: generateMac},
		{operation: "VerifyMac", key: "kms:MacAlgorithm", value: "HMAC_SHA_256", call: verifyMac},
		{operation: "DeriveSharedSecret", key: "kms:KeyAgreementAlgorithm", value: "ECDH", call: derive},
		{operation: "GetPublicKey", key: "kms:RequestAlias", value: "alias/signer", call: public},
	}
	for operation, call := range map[string]func() error{"GenerateDataKeyPair": pair, "GenerateDataKeyPairWithoutPlaintext": blindPair} {
		all = append(all,
			asked{operation: operation, key: "kms:DataKeyPairSpec", value: "ECC_NIST_P256", call: call},
			asked{operation: operation, key: "kms:EncryptionContext:dept", value: "hr", call: call},
			asked{operation: operation, key: "kms:EncryptionAlgorithm", value: "SYMMETRIC_DEFAULT", call: call})
	}
	for _, a := range all {
		t.Run("12 "+a.operation+" "+a.key+" "+a.value, func(t *testing.T) {
			r.annMay(a.statement(a.value))
			if err := a.call(); err != nil {
				t.Errorf("%s: %v", a.value, err)
			}
			r.annMay(a.statement(a.wrong()))
			refused(t, "any value", a.call(), "AccessDeniedException", "is not authorized to perform: kms:"+a.operation)
		})
	}
}
