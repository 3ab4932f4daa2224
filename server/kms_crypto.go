package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
)

var (
	symmetric     = kmsapi.EncryptionAlgorithmSpec(kms.SymmetricDefault)
	dryRunSuccess = &kms.Error{
		Code:    kms.CodeDryRun,
		Message: "The request would have succeeded, but the DryRun option is set.",
	}
)

// cryptoOptions are the members that all cryptographic operations share.
type cryptoOptions struct {
	algorithm *kmsapi.EncryptionAlgorithmSpec
	context   map[string]string
	tokens    []string
	recipient *kmsapi.RecipientInfo
	dryRun    *bool
}

// ready is the check of state and options after the gate, in AWS's order: the
// key's state, then what depends on its spec. A dry run ends here.
func ready(o cryptoOptions, keys ...*kms.Key) error {
	if len(o.tokens) > 0 {
		return &kms.Error{Code: kms.CodeInvalidGrantToken} // no grants exist, so no token is one's
	}
	for _, k := range keys {
		if err := k.Usable(); err != nil {
			return err
		}
	}
	if o.algorithm != nil && *o.algorithm != symmetric {
		return &kms.Error{
			Code:    kms.CodeInvalidKeyUsage,
			Message: "Algorithm " + string(*o.algorithm) + " is incompatible with key spec " + kms.SymmetricDefault + ".",
		}
	}
	if o.recipient != nil {
		return &kms.Error{
			Code:    kms.CodeUnsupportedOperation,
			Message: "Recipient is not supported: keyd does not check attestation documents of Nitro Enclaves.",
		}
	}
	if err := kms.CheckContext(o.context); err != nil {
		return err
	}
	if api.Value(o.dryRun) {
		return dryRunSuccess
	}
	return nil
}

func encryptReady(c *call, in *kmsapi.EncryptRequest) error {
	return ready(cryptoOptions{
		algorithm: in.EncryptionAlgorithm, context: in.EncryptionContext,
		tokens: in.GrantTokens, dryRun: in.DryRun,
	}, c.key)
}

func encrypt(s *Server, c *call, in *kmsapi.EncryptRequest) (*kmsapi.EncryptResponse, error) {
	blob, err := s.KMS.Encrypt(c.ctx, c.key, in.Plaintext, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &kmsapi.EncryptResponse{CiphertextBlob: blob, KeyId: new(c.key.ARN()), EncryptionAlgorithm: &symmetric}, nil
}

// ciphertextKey finds the key that the request names for a ciphertext or, where it
// names none, the one that the ciphertext does, in the caller's region. Of the
// latter nobody learns who may not use it.
func ciphertextKey(s *Server, c *call, tx kms.Tx, ciphertext []byte, named *string) (*kms.Key, error) {
	if ciphertext == nil {
		return nil, &kms.Error{Code: kms.CodeValidation, Message: "1 validation error detected: Value null at 'ciphertextBlob' " +
			"failed to satisfy constraint: Member must not be null"}
	}
	if named != nil {
		return s.KMS.Resolve(c.ctx, tx, c.region, *named)
	}
	id, err := kms.CiphertextKeyID(ciphertext)
	if err != nil {
		return nil, err
	}
	k, err := s.KMS.KeyByID(c.ctx, tx, c.region, id)
	if isNotFound(err) {
		return nil, kms.ErrCiphertextKey
	}
	c.hidden = k
	return k, err
}

// belongs refuses a ciphertext that is not of the key; asked after the gate.
func belongs(ciphertext []byte, k *kms.Key) error {
	id, err := kms.CiphertextKeyID(ciphertext)
	if err == nil && id != k.ID {
		err = &kms.Error{
			Code:    kms.CodeIncorrectKey,
			Message: "The key ID in the request does not identify a CMK that can perform this operation.",
		}
	}
	return err
}

func resolveDecrypt(s *Server, c *call, tx kms.Tx, in *kmsapi.DecryptRequest) ([]authz.Check, error) {
	k, err := ciphertextKey(s, c, tx, in.CiphertextBlob, in.KeyId)
	return c.onKey("kms:Decrypt", k, err)
}

func decryptReady(c *call, in *kmsapi.DecryptRequest) error {
	if err := belongs(in.CiphertextBlob, c.key); err != nil {
		return err
	}
	return ready(cryptoOptions{
		algorithm: in.EncryptionAlgorithm, context: in.EncryptionContext,
		tokens: in.GrantTokens, recipient: in.Recipient, dryRun: in.DryRun,
	}, c.key)
}

func decrypt(s *Server, c *call, in *kmsapi.DecryptRequest) (*kmsapi.DecryptResponse, error) {
	plaintext, material, err := s.KMS.Decrypt(c.ctx, c.key, in.CiphertextBlob, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &kmsapi.DecryptResponse{
		KeyId: new(c.key.ARN()), Plaintext: plaintext, EncryptionAlgorithm: &symmetric, KeyMaterialId: &material,
	}, nil
}

// resolveReEncrypt asks for the source key, named by the ciphertext, and the
// destination key, each with the right of its own direction.
func resolveReEncrypt(s *Server, c *call, tx kms.Tx, in *kmsapi.ReEncryptRequest) ([]authz.Check, error) {
	to, err := s.KMS.Resolve(c.ctx, tx, c.region, api.Value(in.DestinationKeyId))
	if err != nil {
		return nil, err
	}
	from, err := ciphertextKey(s, c, tx, in.CiphertextBlob, in.SourceKeyId)
	if err != nil {
		return nil, err
	}
	c.key, c.other = to, from
	same := from.ARN() == to.ARN()
	source, destination := keyCheck("kms:ReEncryptFrom", from), keyCheck("kms:ReEncryptTo", to)
	source.Facts = reEncryptFacts(in.SourceKeyId, in.SourceEncryptionAlgorithm, in.SourceEncryptionContext, same)
	destination.Facts = reEncryptFacts(in.DestinationKeyId, in.DestinationEncryptionAlgorithm, in.DestinationEncryptionContext, same)
	return []authz.Check{source, destination}, nil
}

func reEncryptReady(c *call, in *kmsapi.ReEncryptRequest) error {
	if err := belongs(in.CiphertextBlob, c.other); err != nil {
		return err
	}
	from := cryptoOptions{algorithm: in.SourceEncryptionAlgorithm, context: in.SourceEncryptionContext, tokens: in.GrantTokens}
	if err := ready(from, c.other, c.key); err != nil {
		return err
	}
	return ready(cryptoOptions{
		algorithm: in.DestinationEncryptionAlgorithm, context: in.DestinationEncryptionContext, dryRun: in.DryRun,
	})
}

func reEncrypt(s *Server, c *call, in *kmsapi.ReEncryptRequest) (*kmsapi.ReEncryptResponse, error) {
	plaintext, material, err := s.KMS.Decrypt(c.ctx, c.other, in.CiphertextBlob, in.SourceEncryptionContext)
	if err != nil {
		return nil, err
	}
	defer clear(plaintext)
	blob, err := s.KMS.Encrypt(c.ctx, c.key, plaintext, in.DestinationEncryptionContext)
	if err != nil {
		return nil, err
	}
	return &kmsapi.ReEncryptResponse{
		CiphertextBlob: blob, SourceKeyId: new(c.other.ARN()), KeyId: new(c.key.ARN()),
		SourceEncryptionAlgorithm: &symmetric, DestinationEncryptionAlgorithm: &symmetric,
		SourceKeyMaterialId: &material, DestinationKeyMaterialId: new(c.key.MaterialID()),
	}, nil
}
