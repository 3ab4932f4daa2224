package server

import (
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

func dataKeyReady(c *call, in *kmsapi.GenerateDataKeyRequest) error {
	if err := c.key.Usable(); err != nil {
		return err
	}
	if _, err := dataKeySize(in.KeySpec, in.NumberOfBytes); err != nil {
		return err
	}
	return ready(cryptoOptions{
		context: in.EncryptionContext, tokens: in.GrantTokens, recipient: in.Recipient, dryRun: in.DryRun,
	}, c.key)
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
	if err := c.key.Usable(); err != nil {
		return err
	}
	if _, err := dataKeySize(in.KeySpec, in.NumberOfBytes); err != nil {
		return err
	}
	return ready(cryptoOptions{context: in.EncryptionContext, tokens: in.GrantTokens, dryRun: in.DryRun}, c.key)
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
	switch {
	case in.NumberOfBytes == nil:
		return &kms.Error{Code: kms.CodeValidation, Message: "NumberOfBytes is required."}
	case in.CustomKeyStoreId != nil:
		return &kms.Error{Code: "CustomKeyStoreNotFoundException"}
	}
	return ready(cryptoOptions{recipient: in.Recipient})
}

func generateRandom(s *Server, c *call, in *kmsapi.GenerateRandomRequest) (*kmsapi.GenerateRandomResponse, error) {
	b, err := s.KMS.Random(c.ctx, int(api.Value(in.NumberOfBytes)))
	if err != nil {
		return nil, err
	}
	return &kmsapi.GenerateRandomResponse{Plaintext: b}, nil
}
