package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
)

// resolveCreateKey asks for kms:CreateKey, and for kms:TagResource where tags
// are given.
func resolveCreateKey(_ *Server, c *call, _ kms.Tx, in *kmsapi.CreateKeyRequest) ([]authz.Check, error) {
	facts := createKeyFacts(c.caller.Account, in)
	checks := []authz.Check{{Action: "kms:CreateKey", Resource: "*", Facts: facts}}
	if len(in.Tags) > 0 {
		checks = append(checks, authz.Check{Action: "kms:TagResource", Resource: "*", Facts: facts})
	}
	return checks, nil
}

// makeKey does the token's part of CreateKey, before the transaction.
func makeKey(s *Server, c *call, in *kmsapi.CreateKeyRequest) error {
	if err := offered(in); err != nil {
		return err
	}
	tags := make([]kms.Tag, len(in.Tags))
	for i, t := range in.Tags {
		tags[i] = kms.Tag{Key: api.Value(t.TagKey), Value: api.Value(t.TagValue)}
	}
	text, err := s.boundPolicy(c, in)
	if err != nil {
		return err
	}
	c.made, err = s.KMS.MakeKey(c.ctx, kms.NewKey{
		Region: c.region, Description: api.Value(in.Description), Policy: text, Tags: tags,
	})
	if err != nil {
		return err
	}
	return s.checkLockout(c, c.made, in.BypassPolicyLockoutSafetyCheck)
}

// offered refuses what CreateKey can ask for and keyd does not make.
func offered(in *kmsapi.CreateKeyRequest) error {
	spec := string(api.Value(in.KeySpec))
	old := string(api.Value(in.CustomerMasterKeySpec))
	if in.KeySpec != nil && in.CustomerMasterKeySpec != nil {
		return &kms.Error{Code: kms.CodeValidation,
			Message: "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated."}
	}
	if spec == "" {
		spec = old
	}
	usage := string(api.Value(in.KeyUsage))
	unsupported := func(what string) error {
		return &kms.Error{Code: kms.CodeUnsupportedOperation, Message: what + " is not supported by this version of keyd."}
	}
	switch {
	case spec != "" && spec != kms.SymmetricDefault && usage == "":
		return &kms.Error{Code: kms.CodeValidation,
			Message: "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."}
	case spec != "" && spec != kms.SymmetricDefault:
		return unsupported("KeySpec " + spec)
	case usage != "" && usage != kms.EncryptDecrypt:
		return &kms.Error{Code: kms.CodeValidation,
			Message: "KeyUsage " + usage + " is not compatible with KeySpec " + kms.SymmetricDefault + "."}
	case in.Origin != nil && string(*in.Origin) != kms.OriginKMS:
		return unsupported("Origin " + string(*in.Origin))
	case in.CustomKeyStoreId != nil:
		return unsupported("CustomKeyStoreId")
	case in.XksKeyId != nil:
		return unsupported("XksKeyId")
	case api.Value(in.MultiRegion):
		return unsupported("MultiRegion")
	}
	return nil
}

func createKey(s *Server, c *call, tx kms.Tx, _ *kmsapi.CreateKeyRequest) (*kmsapi.CreateKeyResponse, error) {
	c.key = c.made
	return &kmsapi.CreateKeyResponse{KeyMetadata: metadata(c.made)}, s.KMS.CreateKey(tx, c.made)
}

// metadata is how AWS describes a key.
func metadata(k *kms.Key) *kmsapi.KeyMetadata {
	spec := kmsapi.CustomerMasterKeySpec(k.Spec)
	m := &kmsapi.KeyMetadata{
		AWSAccountId:          &k.Account,
		KeyId:                 &k.ID,
		Arn:                   new(k.ARN()),
		CreationDate:          api.At(k.Created),
		Enabled:               new(k.State == kms.Enabled),
		Description:           &k.Description,
		KeyUsage:              new(kmsapi.KeyUsageType(k.Usage)),
		KeyState:              new(kmsapi.KeyState(k.State)),
		Origin:                new(kmsapi.OriginType(k.Origin)),
		KeyManager:            new(kmsapi.KeyManagerTypeCustomer),
		CustomerMasterKeySpec: &spec,
		KeySpec:               new(kmsapi.KeySpec(k.Spec)),
		EncryptionAlgorithms:  []kmsapi.EncryptionAlgorithmSpec{symmetric},
		MultiRegion:           new(false),
		CurrentKeyMaterialId:  new(k.MaterialID()),
	}
	if !k.DeletionDate.IsZero() {
		m.DeletionDate = api.At(k.DeletionDate)
	}
	return m
}

func describeKey(_ *Server, c *call, in *kmsapi.DescribeKeyRequest) (*kmsapi.DescribeKeyResponse, error) {
	if len(in.GrantTokens) > 0 {
		return nil, &kms.Error{Code: kms.CodeInvalidGrantToken}
	}
	return &kmsapi.DescribeKeyResponse{KeyMetadata: metadata(c.key)}, nil
}

// page reads Limit and Marker; size is AWS's page size where Limit is absent.
func page(limit *int32, marker *string, size int) kms.Page {
	if limit != nil {
		size = int(*limit)
	}
	return kms.Page{Limit: size, Marker: api.Value(marker)}
}

// nextPage gives NextMarker and Truncated.
func nextPage(next string) (marker *string, truncated *bool) {
	if next == "" {
		return nil, new(false)
	}
	return &next, new(true)
}

func listKeys(s *Server, c *call, in *kmsapi.ListKeysRequest) (*kmsapi.ListKeysResponse, error) {
	ids, next, err := s.KMS.ListKeys(c.ctx, c.region, page(in.Limit, in.Marker, 100))
	if err != nil {
		return nil, err
	}
	out := &kmsapi.ListKeysResponse{Keys: make([]kmsapi.KeyListEntry, len(ids))}
	for i, id := range ids {
		out.Keys[i] = kmsapi.KeyListEntry{KeyId: &ids[i], KeyArn: new(s.KMS.ARNOf(c.region, id))}
	}
	out.NextMarker, out.Truncated = nextPage(next)
	return out, nil
}

func updateKeyDescription(s *Server, c *call, tx kms.Tx, in *kmsapi.UpdateKeyDescriptionRequest) (*nothing, error) {
	return nil, s.KMS.UpdateKeyDescription(tx, c.key, api.Value(in.Description))
}

func enableKey(s *Server, c *call, tx kms.Tx, _ *kmsapi.EnableKeyRequest) (*nothing, error) {
	return nil, s.KMS.EnableKey(tx, c.key)
}

func disableKey(s *Server, c *call, tx kms.Tx, _ *kmsapi.DisableKeyRequest) (*nothing, error) {
	return nil, s.KMS.DisableKey(tx, c.key)
}

func scheduleKeyDeletion(s *Server, c *call, tx kms.Tx, in *kmsapi.ScheduleKeyDeletionRequest) (*kmsapi.ScheduleKeyDeletionResponse, error) {
	days := int32(kms.DefaultPendingWindow)
	if in.PendingWindowInDays != nil {
		days = *in.PendingWindowInDays
	}
	k, err := s.KMS.ScheduleKeyDeletion(tx, c.key, int(days))
	if err != nil {
		return nil, err
	}
	return &kmsapi.ScheduleKeyDeletionResponse{
		KeyId: new(k.ARN()), DeletionDate: api.At(k.DeletionDate),
		KeyState: new(kmsapi.KeyState(k.State)), PendingWindowInDays: &days,
	}, nil
}

func cancelKeyDeletion(s *Server, c *call, tx kms.Tx, _ *kmsapi.CancelKeyDeletionRequest) (*kmsapi.CancelKeyDeletionResponse, error) {
	return &kmsapi.CancelKeyDeletionResponse{KeyId: new(c.key.ARN())}, s.KMS.CancelKeyDeletion(tx, c.key)
}
