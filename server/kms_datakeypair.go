package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/kms"
)

func dataKeyPairKey(in *kmsapi.GenerateDataKeyPairRequest) *string                  { return in.KeyId }
func blindKeyPairKey(in *kmsapi.GenerateDataKeyPairWithoutPlaintextRequest) *string { return in.KeyId }

func dataKeyPairReady(c *call, in *kmsapi.GenerateDataKeyPairRequest) error {
	o := dataKeyOptions("GenerateDataKeyPair", in.EncryptionContext, in.DryRun)
	o.recipient = in.Recipient
	o.content = func() error { return kms.CheckPairSpec(string(api.Value(in.KeyPairSpec))) }
	return dataKeyChecked(c, o)
}

func generateDataKeyPair(s *Server, c *call, in *kmsapi.GenerateDataKeyPairRequest) (*kmsapi.GenerateDataKeyPairResponse, error) {
	private, public, blob, err := newKeyPair(s, c, in.KeyPairSpec, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &kmsapi.GenerateDataKeyPairResponse{
		PrivateKeyCiphertextBlob: blob, PrivateKeyPlaintext: private, PublicKey: public,
		KeyId: new(c.key.ARN()), KeyPairSpec: in.KeyPairSpec, KeyMaterialId: materialOf(c.key),
	}, nil
}

func blindKeyPairReady(c *call, in *kmsapi.GenerateDataKeyPairWithoutPlaintextRequest) error {
	o := dataKeyOptions("GenerateDataKeyPairWithoutPlaintext", in.EncryptionContext, in.DryRun)
	o.content = func() error { return kms.CheckPairSpec(string(api.Value(in.KeyPairSpec))) }
	return dataKeyChecked(c, o)
}

func generateBlindKeyPair(s *Server, c *call, in *kmsapi.GenerateDataKeyPairWithoutPlaintextRequest) (*kmsapi.GenerateDataKeyPairWithoutPlaintextResponse, error) {
	private, public, blob, err := newKeyPair(s, c, in.KeyPairSpec, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	clear(private)
	return &kmsapi.GenerateDataKeyPairWithoutPlaintextResponse{
		PrivateKeyCiphertextBlob: blob, PublicKey: public,
		KeyId: new(c.key.ARN()), KeyPairSpec: in.KeyPairSpec, KeyMaterialId: materialOf(c.key),
	}, nil
}

// newKeyPair makes a pair and encrypts its private key.
func newKeyPair(s *Server, c *call, spec *kmsapi.DataKeyPairSpec, context map[string]string) (private, public, blob []byte, err error) {
	if private, public, err = s.KMS.DataKeyPair(c.ctx, string(api.Value(spec))); err != nil {
		return nil, nil, nil, err
	}
	blob, err = s.KMS.Encrypt(c.ctx, c.key, private, context)
	return private, public, blob, err
}
