package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
)

var dryRunSuccess = &kms.Error{
	Code:    kms.CodeDryRun,
	Message: "The request would have succeeded, but the DryRun option is set.",
}

// cryptoOptions are what all cryptographic operations say of themselves and take.
type cryptoOptions struct {
	operation string // as in "… which is not valid for Encrypt."
	usage     string // that the key must have
	algorithm string // that the key must take; "" for an operation without
	context   map[string]string
	recipient *kmsapi.RecipientInfo
	// content checks parameters whose meaning depends on the key; may be nil.
	content func() error
	dryRun  *bool
}

// ready is the check of state and options after the gate, in AWS's order: the
// key's state, its usage, the algorithm, then what the parameters hold. A dry run
// ends here.
func ready(o cryptoOptions, keys ...*kms.Key) error {
	for _, k := range keys {
		if err := k.Usable(); err != nil {
			return err
		}
	}
	for _, k := range keys {
		if err := fits(o, k); err != nil {
			return err
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
	if o.content != nil {
		if err := o.content(); err != nil {
			return err
		}
	}
	if api.Value(o.dryRun) {
		return dryRunSuccess
	}
	return nil
}

// fits refuses a key that is not made for the operation.
func fits(o cryptoOptions, k *kms.Key) error {
	if err := k.UsedFor(o.usage, o.operation); err != nil {
		return err
	}
	if o.algorithm != "" {
		if err := k.Takes(o.algorithm); err != nil {
			return err
		}
	}
	if len(o.context) > 0 && !k.Symmetric() {
		return &kms.Error{Code: kms.CodeValidation,
			Message: "EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs."}
	}
	return nil
}

// encryption is the name of an encryption algorithm, which has a default.
func encryption(a *kmsapi.EncryptionAlgorithmSpec) string {
	if a == nil {
		return kms.SymmetricDefault
	}
	return string(*a)
}

func encryptReady(c *call, in *kmsapi.EncryptRequest) error {
	algorithm := encryption(in.EncryptionAlgorithm)
	return ready(cryptoOptions{
		operation: "Encrypt", usage: kms.EncryptDecrypt, algorithm: algorithm,
		context: in.EncryptionContext, dryRun: in.DryRun,
		content: func() error { return c.key.CheckPlaintext(algorithm, in.Plaintext) },
	}, c.key)
}

func encrypt(s *Server, c *call, in *kmsapi.EncryptRequest) (*kmsapi.EncryptResponse, error) {
	algorithm := encryption(in.EncryptionAlgorithm)
	blob, err := s.encryptWith(c, c.key, algorithm, in.Plaintext, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &kmsapi.EncryptResponse{
		CiphertextBlob: blob, KeyId: new(c.key.ARN()), EncryptionAlgorithm: new(kmsapi.EncryptionAlgorithmSpec(algorithm)),
	}, nil
}

func (s *Server) encryptWith(c *call, k *kms.Key, algorithm string, plaintext []byte, context map[string]string) ([]byte, error) {
	if k.Symmetric() {
		return s.KMS.Encrypt(c.ctx, k, plaintext, context)
	}
	return s.KMS.EncryptOAEP(k, algorithm, plaintext)
}

// decryptWith decrypts, and says with which material a symmetric key did.
func (s *Server) decryptWith(c *call, k *kms.Key, algorithm string, ciphertext []byte, context map[string]string) ([]byte, *string, error) {
	if !k.Symmetric() {
		plaintext, err := s.KMS.DecryptOAEP(c.ctx, k, algorithm, ciphertext)
		return plaintext, nil, err
	}
	plaintext, material, err := s.KMS.Decrypt(c.ctx, k, ciphertext, context)
	return plaintext, &material, err
}

// materialOf names the material that a symmetric encryption key encrypts with;
// other keys have no ids of material in answers.
func materialOf(k *kms.Key) *string {
	if !k.Symmetric() {
		return nil
	}
	return new(k.MaterialID())
}

// ciphertextKey finds the key that the request names for a ciphertext or, where it
// names none, the one that the ciphertext does, in the caller's region. Of the
// latter nobody learns who may not use it. Ciphertexts of key pairs name no key.
func ciphertextKey(s *Server, c *call, tx kms.Tx, ciphertext []byte, algorithm string, named *string) (*kms.Key, error) {
	if ciphertext == nil {
		return nil, &kms.Error{Code: kms.CodeValidation, Message: "1 validation error detected: Value null at 'ciphertextBlob' " +
			"failed to satisfy constraint: Member must not be null"}
	}
	if named != nil {
		return s.KMS.Resolve(c.ctx, tx, c.region, *named)
	}
	if algorithm != kms.SymmetricDefault {
		return nil, &kms.Error{Code: kms.CodeValidation, Message: "KeyId must not be null"}
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

// belongs refuses a ciphertext that is not of the key; asked after the gate. Of a
// ciphertext of a key pair, only decryption tells.
func belongs(ciphertext []byte, algorithm string, k *kms.Key) error {
	if algorithm != kms.SymmetricDefault {
		return nil
	}
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
	find := ciphertextKey
	if ignoresCiphertext(in.DryRun, in.DryRunModifiers) {
		find = namedKey
	}
	k, err := find(s, c, tx, in.CiphertextBlob, encryption(in.EncryptionAlgorithm), in.KeyId)
	return c.onKey("kms:Decrypt", k, err)
}

func decryptReady(c *call, in *kmsapi.DecryptRequest) error {
	algorithm := encryption(in.EncryptionAlgorithm)
	if !ignoresCiphertext(in.DryRun, in.DryRunModifiers) {
		if err := belongs(in.CiphertextBlob, algorithm, c.key); err != nil {
			return err
		}
	}
	return ready(cryptoOptions{
		operation: "Decrypt", usage: kms.EncryptDecrypt, algorithm: algorithm,
		context: in.EncryptionContext, recipient: in.Recipient, dryRun: in.DryRun,
	}, c.key)
}

func decrypt(s *Server, c *call, in *kmsapi.DecryptRequest) (*kmsapi.DecryptResponse, error) {
	algorithm := encryption(in.EncryptionAlgorithm)
	plaintext, material, err := s.decryptWith(c, c.key, algorithm, in.CiphertextBlob, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &kmsapi.DecryptResponse{
		KeyId: new(c.key.ARN()), Plaintext: plaintext, KeyMaterialId: material,
		EncryptionAlgorithm: new(kmsapi.EncryptionAlgorithmSpec(algorithm)),
	}, nil
}

// resolveReEncrypt asks for the source key, named by the ciphertext, and the
// destination key, each with the right of its own direction.
func resolveReEncrypt(s *Server, c *call, tx kms.Tx, in *kmsapi.ReEncryptRequest) ([]authz.Check, error) {
	to, err := s.KMS.Resolve(c.ctx, tx, c.region, api.Value(in.DestinationKeyId))
	if err != nil {
		return nil, err
	}
	find := ciphertextKey
	if ignoresCiphertext(in.DryRun, in.DryRunModifiers) {
		find = namedKey
	}
	from, err := find(s, c, tx, in.CiphertextBlob, encryption(in.SourceEncryptionAlgorithm), in.SourceKeyId)
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
	source, destination := encryption(in.SourceEncryptionAlgorithm), encryption(in.DestinationEncryptionAlgorithm)
	if !ignoresCiphertext(in.DryRun, in.DryRunModifiers) {
		if err := belongs(in.CiphertextBlob, source, c.other); err != nil {
			return err
		}
	}
	if err := c.other.Usable(); err != nil {
		return err
	}
	if err := c.key.Usable(); err != nil {
		return err
	}
	err := ready(cryptoOptions{
		operation: "ReEncrypt", usage: kms.EncryptDecrypt, algorithm: source,
		context: in.SourceEncryptionContext,
	}, c.other)
	if err != nil {
		return err
	}
	return ready(cryptoOptions{
		operation: "ReEncrypt", usage: kms.EncryptDecrypt, algorithm: destination,
		context: in.DestinationEncryptionContext, dryRun: in.DryRun,
	}, c.key)
}

func reEncrypt(s *Server, c *call, in *kmsapi.ReEncryptRequest) (*kmsapi.ReEncryptResponse, error) {
	source, destination := encryption(in.SourceEncryptionAlgorithm), encryption(in.DestinationEncryptionAlgorithm)
	plaintext, material, err := s.decryptWith(c, c.other, source, in.CiphertextBlob, in.SourceEncryptionContext)
	if err != nil {
		return nil, err
	}
	defer clear(plaintext)
	blob, err := s.encryptWith(c, c.key, destination, plaintext, in.DestinationEncryptionContext)
	if err != nil {
		return nil, err
	}
	return &kmsapi.ReEncryptResponse{
		CiphertextBlob: blob, SourceKeyId: new(c.other.ARN()), KeyId: new(c.key.ARN()),
		SourceEncryptionAlgorithm:      new(kmsapi.EncryptionAlgorithmSpec(source)),
		DestinationEncryptionAlgorithm: new(kmsapi.EncryptionAlgorithmSpec(destination)),
		SourceKeyMaterialId:            material, DestinationKeyMaterialId: materialOf(c.key),
	}, nil
}
