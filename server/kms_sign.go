package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/kms"
)

// kmsKeyUseRoutes are the operations of asymmetric and HMAC keys.
func kmsKeyUseRoutes() []*route {
	return []*route{
		use(kmsOp("Sign"), levelWrite, onKey("kms:Sign", signKey), signReady, sign),
		use(kmsOp("Verify"), levelWrite, onKey("kms:Verify", verifyKey), verifyReady, verify),
		use(kmsOp("GenerateMac"), levelWrite, onKey("kms:GenerateMac", macKey), macReady, generateMac),
		use(kmsOp("VerifyMac"), levelWrite, onKey("kms:VerifyMac", verifyMacKey), verifyMacReady, verifyMac),
		use(kmsOp("DeriveSharedSecret"), levelWrite, onKey("kms:DeriveSharedSecret", deriveKey), deriveReady, deriveSharedSecret),
		use(kmsOp("GetPublicKey"), levelRead, onKey("kms:GetPublicKey", publicKeyKey), publicKeyReady, getPublicKey),
		use(kmsOp("GenerateDataKeyPair"), levelWrite, onKey("kms:GenerateDataKeyPair", dataKeyPairKey), dataKeyPairReady, generateDataKeyPair).slow(),
		use(kmsOp("GenerateDataKeyPairWithoutPlaintext"), levelWrite,
			onKey("kms:GenerateDataKeyPairWithoutPlaintext", blindKeyPairKey), blindKeyPairReady, generateBlindKeyPair).slow(),
		use(kmsOp("Encapsulate"), levelWrite, onKey("kms:Encapsulate", encapsulateKey), encapsulateReady, encapsulate),
		use(kmsOp("Decapsulate"), levelWrite, onKey("kms:Decapsulate", decapsulateKey), decapsulateReady, decapsulate),
	}
}

func signKey(in *kmsapi.SignRequest) *string     { return in.KeyId }
func verifyKey(in *kmsapi.VerifyRequest) *string { return in.KeyId }

// messageType is RAW where nothing else is said.
func messageType(t *kmsapi.MessageType) string {
	if t == nil {
		return kms.MessageRaw
	}
	return string(*t)
}

func signReady(c *call, in *kmsapi.SignRequest) error {
	algorithm := string(api.Value(in.SigningAlgorithm))
	return ready(cryptoOptions{
		operation: "Sign", usage: kms.SignVerify, algorithm: algorithm, dryRun: in.DryRun,
		content: func() error { return kms.CheckMessage(algorithm, messageType(in.MessageType), in.Message) },
	}, c.key)
}

func sign(s *Server, c *call, in *kmsapi.SignRequest) (*kmsapi.SignResponse, error) {
	signature, err := s.KMS.Sign(c.ctx, c.key, string(api.Value(in.SigningAlgorithm)), messageType(in.MessageType), in.Message)
	if err != nil {
		return nil, err
	}
	return &kmsapi.SignResponse{KeyId: new(c.key.ARN()), Signature: signature, SigningAlgorithm: in.SigningAlgorithm}, nil
}

func verifyReady(c *call, in *kmsapi.VerifyRequest) error {
	algorithm := string(api.Value(in.SigningAlgorithm))
	return ready(cryptoOptions{
		operation: "Verify", usage: kms.SignVerify, algorithm: algorithm, dryRun: in.DryRun,
		content: func() error { return kms.CheckMessage(algorithm, messageType(in.MessageType), in.Message) },
	}, c.key)
}

// verify answers true or an exception, never false.
func verify(s *Server, c *call, in *kmsapi.VerifyRequest) (*kmsapi.VerifyResponse, error) {
	err := s.KMS.Verify(c.key, string(api.Value(in.SigningAlgorithm)), messageType(in.MessageType), in.Message, in.Signature)
	if err != nil {
		return nil, err
	}
	return &kmsapi.VerifyResponse{KeyId: new(c.key.ARN()), SignatureValid: new(true), SigningAlgorithm: in.SigningAlgorithm}, nil
}
