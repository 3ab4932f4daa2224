package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/kms"
)

func deriveKey(in *kmsapi.DeriveSharedSecretRequest) *string { return in.KeyId }
func encapsulateKey(in *kmsapi.EncapsulateRequest) *string   { return in.KeyId }
func decapsulateKey(in *kmsapi.DecapsulateRequest) *string   { return in.KeyId }

func deriveReady(c *call, in *kmsapi.DeriveSharedSecretRequest) error {
	return ready(cryptoOptions{
		operation: "DeriveSharedSecret", usage: kms.KeyAgreement, algorithm: string(api.Value(in.KeyAgreementAlgorithm)),
		recipient: in.Recipient, dryRun: in.DryRun,
		content: func() error { return c.key.CheckPeer(in.PublicKey) },
	}, c.key)
}

func deriveSharedSecret(s *Server, c *call, in *kmsapi.DeriveSharedSecretRequest) (*kmsapi.DeriveSharedSecretResponse, error) {
	secret, err := s.KMS.Derive(c.ctx, c.key, in.PublicKey)
	if err != nil {
		return nil, err
	}
	return &kmsapi.DeriveSharedSecretResponse{
		KeyId: new(c.key.ARN()), SharedSecret: secret, KeyAgreementAlgorithm: in.KeyAgreementAlgorithm,
		KeyOrigin: new(kmsapi.OriginType(c.key.Origin)),
	}, nil
}

func encapsulateReady(c *call, in *kmsapi.EncapsulateRequest) error {
	return ready(cryptoOptions{
		operation: "Encapsulate", usage: kms.EncapsulateDecapsulate, algorithm: string(api.Value(in.EncapsulationAlgorithm)),
		dryRun: in.DryRun,
	}, c.key)
}

// encapsulate has no key to work with: CreateKey makes none of an ML-KEM spec, so
// every key is refused for its usage before.
func encapsulate(*Server, *call, *kmsapi.EncapsulateRequest) (*kmsapi.EncapsulateResponse, error) {
	return nil, errMLKEM
}

func decapsulateReady(c *call, in *kmsapi.DecapsulateRequest) error {
	return ready(cryptoOptions{
		operation: "Decapsulate", usage: kms.EncapsulateDecapsulate, algorithm: string(api.Value(in.EncapsulationAlgorithm)),
		dryRun: in.DryRun,
	}, c.key)
}

func decapsulate(*Server, *call, *kmsapi.DecapsulateRequest) (*kmsapi.DecapsulateResponse, error) {
	return nil, errMLKEM
}

var errMLKEM = &kms.Error{Code: kms.CodeUnsupportedOperation, Message: "ML_KEM needs CKM_ML_KEM, which keyd does not use."}
