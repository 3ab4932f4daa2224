package server

import (
	"context"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/kms"
)

// dataKeySize reads the two ways to say how long a data key is.
func dataKeySize(spec *kmsapi.DataKeySpec, bytes *int32) (int, error) {
	if (spec == nil) == (bytes == nil) {
		return 0, &kms.Error{Code: kms.CodeValidation, Message: "Please specify either number of bytes or key spec."}
	}
	if bytes != nil {
		return int(*bytes), nil
	}
	if *spec == kmsapi.DataKeySpecAes128 {
		return 16, nil
	}
	return 32, nil
}

// dataKeyOptions are those of the operations that encrypt what they make.
func dataKeyOptions(operation string, context map[string]string, dryRun *bool) cryptoOptions {
	return cryptoOptions{
		operation: operation, usage: kms.EncryptDecrypt, context: context, dryRun: dryRun,
	}
}

// needsSymmetric refuses a key pair: a data key is encrypted under a symmetric key
// only.
func needsSymmetric(k *kms.Key) error {
	if k.Asymmetric() && k.Usage == kms.EncryptDecrypt {
		return &kms.Error{Code: kms.CodeInvalidKeyUsage, Message: "You cannot generate a data key with an asymmetric CMK"}
	}
	return nil
}

func dataKeyReady(c *call, in *kmsapi.GenerateDataKeyRequest) error {
	if _, err := dataKeySize(in.KeySpec, in.NumberOfBytes); err != nil {
		return err
	}
	o := dataKeyOptions("GenerateDataKey", in.EncryptionContext, in.DryRun)
	o.recipient = in.Recipient
	return dataKeyChecked(c, o)
}

// dataKeyChecked is ready for a data key, with the refusal of key pairs where AWS
// has it: after the state, and before what is said of an encryption context.
func dataKeyChecked(c *call, o cryptoOptions) error {
	if err := c.key.Usable(); err != nil {
		return err
	}
	if err := needsSymmetric(c.key); err != nil {
		return err
	}
	return ready(o, c.key)
}

func generateDataKey(s *Server, c *call, in *kmsapi.GenerateDataKeyRequest) (*kmsapi.GenerateDataKeyResponse, error) {
	plaintext, blob, err := newDataKey(s, c, in.KeySpec, in.NumberOfBytes, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &kmsapi.GenerateDataKeyResponse{
		CiphertextBlob: blob, Plaintext: plaintext, KeyId: new(c.key.ARN()), KeyMaterialId: new(c.key.MaterialID()),
	}, nil
}

func blindDataKeyReady(c *call, in *kmsapi.GenerateDataKeyWithoutPlaintextRequest) error {
	if _, err := dataKeySize(in.KeySpec, in.NumberOfBytes); err != nil {
		return err
	}
	return dataKeyChecked(c, dataKeyOptions("GenerateDataKeyWithoutPlaintext", in.EncryptionContext, in.DryRun))
}

func generateBlindDataKey(s *Server, c *call, in *kmsapi.GenerateDataKeyWithoutPlaintextRequest) (*kmsapi.GenerateDataKeyWithoutPlaintextResponse, error) {
	plaintext, blob, err := newDataKey(s, c, in.KeySpec, in.NumberOfBytes, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	clear(plaintext)
	return &kmsapi.GenerateDataKeyWithoutPlaintextResponse{
		CiphertextBlob: blob, KeyId: new(c.key.ARN()), KeyMaterialId: new(c.key.MaterialID()),
	}, nil
}

func newDataKey(s *Server, c *call, spec *kmsapi.DataKeySpec, bytes *int32, context map[string]string) (plaintext, blob []byte, err error) {
	n, err := dataKeySize(spec, bytes)
	if err != nil {
		return nil, nil, err
	}
	plaintext, err = s.KMS.Random(c.ctx, n)
	if err != nil {
		return nil, nil, err
	}
	blob, err = s.KMS.Encrypt(c.ctx, c.key, plaintext, context)
	return plaintext, blob, err
}

func randomReady(_ *call, in *kmsapi.GenerateRandomRequest) error {
	if in.NumberOfBytes == nil {
		return &kms.Error{Code: kms.CodeValidation, Message: "NumberOfBytes is required."}
	}
	return ready(cryptoOptions{recipient: in.Recipient})
}

func generateRandom(s *Server, c *call, in *kmsapi.GenerateRandomRequest) (*kmsapi.GenerateRandomResponse, error) {
	random := s.KMS.Random
	if in.CustomKeyStoreId != nil {
		random = func(ctx context.Context, n int) ([]byte, error) {
			return s.KMS.StoreRandom(ctx, c.region, *in.CustomKeyStoreId, n)
		}
	}
	b, err := random(c.ctx, int(api.Value(in.NumberOfBytes)))
	if err != nil {
		return nil, err
	}
	return &kmsapi.GenerateRandomResponse{Plaintext: b}, nil
}
