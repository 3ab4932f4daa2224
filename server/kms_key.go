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
	text, err := s.boundPolicy(c, in)
	if err != nil {
		return err
	}
	store, err := s.inStore(c, in)
	if err != nil {
		return err
	}
	draft, err := s.KMS.Draft(kms.NewKey{
		Region: c.region, Description: api.Value(in.Description), Policy: text, Tags: newTags(in.Tags),
		Spec: keySpec(in), Usage: string(api.Value(in.KeyUsage)), Origin: string(api.Value(in.Origin)),
		MultiRegion: api.Value(in.MultiRegion), Store: store,
	})
	if err != nil {
		return err
	}
	if in.Policy != nil { // the default policy is the right of who may create a key
		if err := s.checkLockout(c, draft, in.BypassPolicyLockoutSafetyCheck); err != nil {
			return err
		}
	}
	if c.made, err = s.KMS.MakeKey(c.ctx, draft); err != nil {
		return err
	}
	c.undo = func() { s.KMS.Abandon(c.ctx, c.made) }
	return nil
}

// keySpec reads the member and its older name; "" for the default.
func keySpec(in *kmsapi.CreateKeyRequest) string {
	if in.KeySpec != nil {
		return string(*in.KeySpec)
	}
	return string(api.Value(in.CustomerMasterKeySpec))
}

func newTags(in []kmsapi.Tag) []kms.Tag {
	tags := make([]kms.Tag, len(in))
	for i, t := range in {
		tags[i] = kms.Tag{Key: api.Value(t.TagKey), Value: api.Value(t.TagValue)}
	}
	return tags
}

// offered refuses what CreateKey can ask for and keyd does not make.
func offered(in *kmsapi.CreateKeyRequest) error {
	if in.KeySpec != nil && in.CustomerMasterKeySpec != nil {
		return &kms.Error{Code: kms.CodeValidation,
			Message: "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated."}
	}
	unsupported := func(what string) error {
		return &kms.Error{Code: kms.CodeUnsupportedOperation, Message: what + " is not supported by this version of keyd."}
	}
	switch {
	case string(api.Value(in.Origin)) == "EXTERNAL_KEY_STORE":
		return errNoXks
	case in.Origin != nil && string(*in.Origin) != kms.OriginKMS && string(*in.Origin) != kms.OriginCloudHSM &&
		string(*in.Origin) != kms.OriginExternal:
		return unsupported("Origin " + string(*in.Origin))
	case in.XksKeyId != nil:
		return unsupported("XksKeyId")
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
		Enabled:               new(k.Shown() == kms.Enabled),
		Description:           &k.Description,
		KeyUsage:              new(kmsapi.KeyUsageType(k.Usage)),
		KeyState:              new(kmsapi.KeyState(k.Shown())),
		Origin:                new(kmsapi.OriginType(k.Origin)),
		KeyManager:            new(kmsapi.KeyManagerTypeCustomer),
		CustomerMasterKeySpec: &spec,
		KeySpec:               new(kmsapi.KeySpec(k.Spec)),
		MultiRegion:           new(k.MultiRegion),

		MultiRegionConfiguration: multiRegion(k),
	}
	a := algorithmsOf(k)
	m.EncryptionAlgorithms, m.SigningAlgorithms, m.MacAlgorithms = a.encryption, a.signing, a.mac
	m.KeyAgreementAlgorithms, m.EncapsulationAlgorithms = a.agreement, a.encapsulation
	if id := k.MaterialID(); k.Symmetric() && id != "" {
		m.CurrentKeyMaterialId = &id
	}
	if k.Imported() {
		m.ExpirationModel, m.ValidTo = expiration(k.Expiry())
	}
	if !k.DeletionDate.IsZero() {
		m.DeletionDate = api.At(k.DeletionDate)
	}
	if k.CustomStore != "" {
		m.CustomKeyStoreId, m.CloudHsmClusterId = &k.CustomStore, new(k.Cluster())
	}
	if k.State == kms.PendingReplicaDeletion {
		m.PendingDeletionWindowInDays = new(int32(k.PendingWindow))
	}
	return m
}

// algorithms are those of a key, in the member of its usage.
type algorithms struct {
	encryption    []kmsapi.EncryptionAlgorithmSpec
	signing       []kmsapi.SigningAlgorithmSpec
	mac           []kmsapi.MacAlgorithmSpec
	agreement     []kmsapi.KeyAgreementAlgorithmSpec
	encapsulation []kmsapi.EncapsulationAlgorithmSpec
}

func algorithmsOf(k *kms.Key) (a algorithms) {
	for _, name := range k.Algorithms() {
		switch k.Usage {
		case kms.EncryptDecrypt:
			a.encryption = append(a.encryption, kmsapi.EncryptionAlgorithmSpec(name))
		case kms.SignVerify:
			a.signing = append(a.signing, kmsapi.SigningAlgorithmSpec(name))
		case kms.GenerateVerifyMAC:
			a.mac = append(a.mac, kmsapi.MacAlgorithmSpec(name))
		case kms.KeyAgreement:
			a.agreement = append(a.agreement, kmsapi.KeyAgreementAlgorithmSpec(name))
		case kms.EncapsulateDecapsulate:
			a.encapsulation = append(a.encapsulation, kmsapi.EncapsulationAlgorithmSpec(name))
		}
	}
	return a
}

func describeKey(_ *Server, c *call, _ *kmsapi.DescribeKeyRequest) (*kmsapi.DescribeKeyResponse, error) {
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
	out := &kmsapi.ScheduleKeyDeletionResponse{
		KeyId: new(k.ARN()), KeyState: new(kmsapi.KeyState(k.State)), PendingWindowInDays: &days,
	}
	if !k.DeletionDate.IsZero() { // it is while replicas are there
		out.DeletionDate = api.At(k.DeletionDate)
	}
	return out, nil
}

func cancelKeyDeletion(s *Server, c *call, tx kms.Tx, _ *kmsapi.CancelKeyDeletionRequest) (*kmsapi.CancelKeyDeletionResponse, error) {
	return &kmsapi.CancelKeyDeletionResponse{KeyId: new(c.key.ARN())}, s.KMS.CancelKeyDeletion(tx, c.key)
}
