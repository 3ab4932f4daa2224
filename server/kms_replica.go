package server

import (
	"maps"
	"slices"
	"strconv"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
)

func kmsReplicaRoutes() []*route {
	return []*route{
		change(kmsOp("ReplicateKey"), levelWrite, resolveReplicateKey, replicateKey).large(),
		change(kmsOp("UpdatePrimaryRegion"), levelWrite, resolveUpdatePrimary, updatePrimaryRegion),
	}
}

// resolveReplicateKey asks for kms:ReplicateKey on the primary key and, in the
// region of the replica, for kms:CreateKey, and kms:TagResource where tags are
// given.
func resolveReplicateKey(s *Server, c *call, tx kms.Tx, in *kmsapi.ReplicateKeyRequest) ([]authz.Check, error) {
	k, err := s.KMS.ResolveID(c.ctx, tx, c.region, api.Value(in.KeyId))
	checks, err := c.onKey("kms:ReplicateKey", k, err)
	if err != nil {
		return nil, err
	}
	region := api.Value(in.ReplicaRegion)
	facts := replicaFacts(c.caller.Account, k, in)
	checks = append(checks, authz.Check{Action: "kms:CreateKey", Resource: "*", Region: region, Facts: facts})
	if len(in.Tags) > 0 {
		checks = append(checks, authz.Check{Action: "kms:TagResource", Resource: "*", Region: region, Facts: facts})
	}
	return checks, nil
}

// replicaFacts are what kms:CreateKey can be asked about in the region of a
// replica.
func replicaFacts(caller string, k *kms.Key, in *kmsapi.ReplicateKeyRequest) []authz.Fact {
	facts := append(bypassFacts(in.BypassPolicyLockoutSafetyCheck),
		authz.Fact{Key: "kms:CallerAccount", Values: []string{caller}},
		authz.Fact{Key: "kms:KeySpec", Values: []string{k.Spec}},
		authz.Fact{Key: "kms:KeyUsage", Values: []string{k.Usage}},
		authz.Fact{Key: "kms:KeyOrigin", Values: []string{k.Origin}},
		authz.Fact{Key: "kms:MultiRegion", Values: []string{strconv.FormatBool(true)}},
		authz.Fact{Key: "kms:MultiRegionKeyType", Values: []string{kms.TypeReplica}})
	return tagFacts(facts, in.Tags)
}

func replicateKey(s *Server, c *call, tx kms.Tx, in *kmsapi.ReplicateKeyRequest) (*kmsapi.ReplicateKeyResponse, error) {
	if err := s.checkRegion(*in.ReplicaRegion); err != nil {
		return nil, err
	}
	text, err := s.bindPolicy(tx, in.Policy)
	if err != nil {
		return nil, err
	}
	replica, err := s.KMS.ReplicateKey(tx, c.key, kms.NewKey{
		Region: *in.ReplicaRegion, Description: api.Value(in.Description), Policy: text, Tags: newTags(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	if in.Policy != nil {
		if err := s.checkLockout(c, replica, in.BypassPolicyLockoutSafetyCheck); err != nil {
			return nil, err
		}
	}
	shown := in.Policy
	if shown == nil {
		shown = &text
	}
	out := &kmsapi.ReplicateKeyResponse{ReplicaKeyMetadata: metadata(replica), ReplicaPolicy: shown}
	for _, name := range slices.Sorted(maps.Keys(replica.Tags)) {
		out.ReplicaTags = append(out.ReplicaTags, kmsapi.Tag{TagKey: &name, TagValue: new(replica.Tags[name])})
	}
	c.other = replica
	return out, nil
}

// checkRegion refuses a region that the appliance does not serve.
func (s *Server) checkRegion(region string) error {
	if !s.Region(region) {
		return &kms.Error{Code: kms.CodeValidation, Message: "Region " + region + " is not among the regions of this appliance."}
	}
	return nil
}

// resolveUpdatePrimary asks for kms:UpdatePrimaryRegion on the primary key and on
// the replica that takes its place.
func resolveUpdatePrimary(s *Server, c *call, tx kms.Tx, in *kmsapi.UpdatePrimaryRegionRequest) ([]authz.Check, error) {
	k, err := s.KMS.ResolveID(c.ctx, tx, c.region, api.Value(in.KeyId))
	checks, err := c.onKey("kms:UpdatePrimaryRegion", k, err)
	region := api.Value(in.PrimaryRegion)
	if err != nil || !k.Primary() || region == k.Region {
		return checks, err // which updatePrimaryRegion refuses
	}
	replica, err := s.KMS.KeyByID(c.ctx, tx, region, k.ID)
	if isNotFound(err) {
		return checks, nil // said after the gate: who may not ask is not told
	}
	if err != nil {
		return nil, err
	}
	c.other = replica
	check := keyCheck("kms:UpdatePrimaryRegion", replica)
	check.Region, check.Facts = region, checks[0].Facts
	return append(checks, check), nil
}

func updatePrimaryRegion(s *Server, c *call, tx kms.Tx, in *kmsapi.UpdatePrimaryRegionRequest) (*nothing, error) {
	return nil, s.KMS.UpdatePrimaryRegion(tx, c.key, *in.PrimaryRegion)
}

// multiRegion is how AWS describes what a multi-Region key is related to; nil for
// other keys.
func multiRegion(k *kms.Key) *kmsapi.MultiRegionConfiguration {
	if !k.MultiRegion {
		return nil
	}
	related := func(region string) kmsapi.MultiRegionKey {
		return kmsapi.MultiRegionKey{Arn: new(k.ARNIn(region)), Region: &region}
	}
	conf := &kmsapi.MultiRegionConfiguration{
		MultiRegionKeyType: new(kmsapi.MultiRegionKeyType(k.MultiRegionType())),
		PrimaryKey:         new(related(k.PrimaryRegion)),
		ReplicaKeys:        []kmsapi.MultiRegionKey{},
	}
	for _, region := range k.ReplicaRegions() {
		conf.ReplicaKeys = append(conf.ReplicaKeys, related(region))
	}
	return conf
}
