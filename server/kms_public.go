package server

import (
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/kms"
)

func publicKeyKey(in *kmsapi.GetPublicKeyRequest) *string { return in.KeyId }

// publicKeyReady has no usage of its own: every pair has a public key to give.
func publicKeyReady(c *call, in *kmsapi.GetPublicKeyRequest) error {
	if err := ready(cryptoOptions{operation: "GetPublicKey", usage: c.key.Usage}, c.key); err != nil {
		return err
	}
	if !c.key.Asymmetric() {
		return &kms.Error{Code: kms.CodeUnsupportedOperation,
			Message: c.key.ARN() + " key spec is " + c.key.Spec + " which is not valid for GetPublicKey."}
	}
	return nil
}

func getPublicKey(_ *Server, c *call, _ *kmsapi.GetPublicKeyRequest) (*kmsapi.GetPublicKeyResponse, error) {
	a := algorithmsOf(c.key)
	return &kmsapi.GetPublicKeyResponse{
		KeyId: new(c.key.ARN()), PublicKey: c.key.PublicKey(),
		CustomerMasterKeySpec: new(kmsapi.CustomerMasterKeySpec(c.key.Spec)), KeySpec: new(kmsapi.KeySpec(c.key.Spec)),
		KeyUsage:             new(kmsapi.KeyUsageType(c.key.Usage)),
		EncryptionAlgorithms: a.encryption, SigningAlgorithms: a.signing,
		KeyAgreementAlgorithms: a.agreement, EncapsulationAlgorithms: a.encapsulation,
	}, nil
}
