package server

import (
	"strconv"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
)

// kmsRotationRoutes are the operations on the rotation of key material.
func kmsRotationRoutes() []*route {
	return []*route{
		change(kmsOp("EnableKeyRotation"), levelWrite, onKeyID("kms:EnableKeyRotation",
			func(in *kmsapi.EnableKeyRotationRequest) *string { return in.KeyId }), enableKeyRotation),
		change(kmsOp("DisableKeyRotation"), levelWrite, onKeyID("kms:DisableKeyRotation",
			func(in *kmsapi.DisableKeyRotationRequest) *string { return in.KeyId }), disableKeyRotation),
		query(kmsOp("GetKeyRotationStatus"), levelRead, onKeyID("kms:GetKeyRotationStatus",
			func(in *kmsapi.GetKeyRotationStatusRequest) *string { return in.KeyId }), getKeyRotationStatus),
		preparing(change(kmsOp("RotateKeyOnDemand"), levelWrite, onKeyID("kms:RotateKeyOnDemand",
			func(in *kmsapi.RotateKeyOnDemandRequest) *string { return in.KeyId }), rotateKeyOnDemand), prepareRotation),
		query(kmsOp("ListKeyRotations"), levelList, onKeyID("kms:ListKeyRotations",
			func(in *kmsapi.ListKeyRotationsRequest) *string { return in.KeyId }), listKeyRotations),
	}
}

func rotationPeriod(in *kmsapi.EnableKeyRotationRequest) int {
	if in.RotationPeriodInDays == nil {
		return kms.DefaultRotationPeriod
	}
	return int(*in.RotationPeriodInDays)
}

// rotationFacts has the period also where it is the default.
func rotationFacts(in *kmsapi.EnableKeyRotationRequest) []authz.Fact {
	return []authz.Fact{{Key: "kms:RotationPeriodInDays", Values: []string{strconv.Itoa(rotationPeriod(in))}}}
}

func enableKeyRotation(s *Server, c *call, tx kms.Tx, in *kmsapi.EnableKeyRotationRequest) (*nothing, error) {
	return nil, s.KMS.EnableKeyRotation(tx, c.key, rotationPeriod(in))
}

func disableKeyRotation(s *Server, c *call, tx kms.Tx, _ *kmsapi.DisableKeyRotationRequest) (*nothing, error) {
	return nil, s.KMS.DisableKeyRotation(tx, c.key)
}

// getKeyRotationStatus answers for keys in any state, and for keys that are never
// rotated, as AWS does; only of another origin it refuses them. While a key is
// pending deletion its rotation is off, and back with the key.
func getKeyRotationStatus(_ *Server, c *call, _ *kmsapi.GetKeyRotationStatusRequest) (*kmsapi.GetKeyRotationStatusResponse, error) {
	k := c.key
	if err := k.HasRotationStatus(); err != nil {
		return nil, err
	}
	out := &kmsapi.GetKeyRotationStatusResponse{KeyId: &k.ID, KeyRotationEnabled: new(false)}
	if k.Rotation.Period > 0 && k.State != kms.PendingDeletion {
		out.KeyRotationEnabled = new(true)
		out.RotationPeriodInDays = new(int32(k.Rotation.Period))
		out.NextRotationDate = api.At(k.Rotation.Next)
	}
	return out, nil
}

// prepareRotation makes the new material before the transaction, and none for a
// key that cannot be rotated.
func prepareRotation(s *Server, c *call, _ *kmsapi.RotateKeyOnDemandRequest) (err error) {
	if err := c.key.RotatesOnDemand(); err != nil {
		return err
	}
	c.material, err = s.KMS.NextMaterial(c.ctx, c.key)
	c.undo = func() { s.KMS.Deleted(c.key, c.material) }
	return err
}

func rotateKeyOnDemand(s *Server, c *call, tx kms.Tx, _ *kmsapi.RotateKeyOnDemandRequest) (*kmsapi.RotateKeyOnDemandResponse, error) {
	return &kmsapi.RotateKeyOnDemandResponse{KeyId: &c.key.ID}, s.KMS.RotateKeyOnDemand(tx, c.key, c.material)
}

func listKeyRotations(s *Server, c *call, in *kmsapi.ListKeyRotationsRequest) (*kmsapi.ListKeyRotationsResponse, error) {
	all := api.Value(in.IncludeKeyMaterial) == kmsapi.IncludeKeyMaterialAllKeyMaterial
	materials, next, err := s.KMS.ListKeyRotations(c.key, all, page(in.Limit, in.Marker, 100))
	if err != nil {
		return nil, err
	}
	out := &kmsapi.ListKeyRotationsResponse{Rotations: make([]kmsapi.RotationsListEntry, len(materials))}
	for i, m := range materials {
		out.Rotations[i] = rotationEntry(c.key, m)
	}
	out.NextMarker, out.Truncated = nextPage(next)
	return out, nil
}

func rotationEntry(k *kms.Key, m kms.Material) kmsapi.RotationsListEntry {
	e := kmsapi.RotationsListEntry{
		KeyId: &k.ID, KeyMaterialId: &m.ID, KeyMaterialState: new(kmsapi.KeyMaterialState(k.MaterialState(m))),
	}
	if k.Origin == kms.OriginExternal {
		e.ImportState = new(kmsapi.ImportStatePendingImport)
		if m.Present() {
			e.ImportState = new(kmsapi.ImportStateImported)
			e.ExpirationModel, e.ValidTo = expiration(m.Expires)
		}
		if m.Description != "" {
			e.KeyMaterialDescription = &m.Description
		}
	}
	if !m.Rotated.IsZero() {
		e.RotationDate = api.At(m.Rotated)
		e.RotationType = new(kmsapi.RotationType(m.RotationType))
	}
	return e
}
