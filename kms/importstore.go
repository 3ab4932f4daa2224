package kms

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"
)

// Import types, in AWS's words.
const (
	ImportNew      = "NEW_KEY_MATERIAL"
	ImportExisting = "EXISTING_KEY_MATERIAL"
)

// maxImportedLife is how far away an expiry may be, as AWS has it.
const maxImportedLife = 365 * 24 * time.Hour

// An Import says what an ImportKeyMaterial call wants beside the material.
type Import struct {
	Type        string    // ImportNew, ImportExisting, or "" for AWS's default
	MaterialID  string    // that the material must have; "" for any
	Description *string   // nil keeps what is there
	Expires     time.Time // zero: never
}

// CheckExpiry refuses an expiry that has passed or is too far away.
func (s *Service) CheckExpiry(at time.Time) error {
	now := s.now()
	if !at.After(now) || at.After(now.Add(maxImportedLife)) {
		return refuse(CodeValidation, "ValidTo must be in the future, and at most 365 days from now.")
	}
	return nil
}

// ImportKeyMaterial stores material that OpenImport has brought into the token: the
// key's first, or the same again, or further material of a symmetric encryption
// key, which waits to be rotated to.
func (s *Service) ImportKeyMaterial(tx Tx, k *Key, m Material, i Import) error {
	if err := k.CheckImport(); err != nil {
		return err
	}
	known, isKnown := k.materialByID(m.ID)
	if i.Type == "" {
		i.Type = ImportExisting
		if len(k.material) == 0 {
			i.Type = ImportNew
		}
	}
	if err := k.checkImport(i, m, isKnown); err != nil {
		return err
	}
	if isKnown {
		known.Domain, known.Wrapped = m.Domain, m.Wrapped
		m = known
	} else {
		m.Number, m.Pending = k.lastNumber()+1, k.Current != 0
	}
	m.Expires = i.Expires
	if i.Description != nil {
		m.Description = *i.Description
	}
	return s.putMaterial(tx, k, m)
}

// checkImport refuses material that is not what the caller says it is, or that
// the key cannot have.
func (k *Key) checkImport(i Import, m Material, known bool) error {
	wrong := func(text string) error { return refuse(CodeIncorrectKeyMaterial, "%s", text) }
	_, pending := k.pendingRotation()
	switch {
	case i.MaterialID != "" && (i.Type == ImportNew || !k.Symmetric()):
		return refuse(CodeValidation, "KeyMaterialId can only be specified to import existing key material of a symmetric encryption key.")
	case i.Type == ImportExisting && !known:
		return wrong("The key material is not the same key material that was previously imported into this KMS key.")
	case i.MaterialID != "" && i.MaterialID != m.ID:
		return wrong("The key material does not have the specified key material ID.")
	case i.Type == ImportExisting:
		return nil
	case known:
		return wrong("The key material was previously imported into this KMS key.")
	case len(k.material) > 0 && !k.Symmetric():
		return wrong("The key material of an asymmetric or HMAC KMS key cannot be changed.")
	case k.MultiRegion && !k.Primary():
		return refuse(CodeUnsupportedOperation, "%s is a multi-Region replica key: import new key material into its primary key in %s.", k.ARN(), k.PrimaryRegion)
	case pending:
		return refuse(CodeInvalidState, "%s already has key material that is pending rotation.", k.ARN())
	}
	return nil
}

func (k *Key) materialByID(id string) (Material, bool) {
	for _, m := range k.material {
		if m.ID == id {
			return m, true
		}
	}
	return Material{}, false
}

// DeleteImportedKeyMaterial deletes the current material, or that of the id, and
// returns what it was. Material that is gone already, or was never there, is
// deleted once more without effect. After the commit the caller calls
// [Service.Deleted].
func (s *Service) DeleteImportedKeyMaterial(tx Tx, k *Key, id string) (Material, error) {
	if k.Origin != OriginExternal {
		return Material{}, k.wrongOrigin()
	}
	m := k.material[k.Current]
	if id != "" {
		var ok bool
		if m, ok = k.materialByID(id); !ok {
			return Material{}, refuse(CodeNotFound, "Key material '%s' does not exist in %s", id, k.ARN())
		}
	}
	if !m.Present() {
		return m, nil
	}
	return m, s.deleteMaterial(tx, k, m)
}

// deleteMaterial forgets the wrapped form. Of material that belongs to the key for
// good the rest stays, to know it by when it is imported again.
func (s *Service) deleteMaterial(tx Tx, k *Key, m Material) error {
	if err := tx.Put(scrubPath, nil); err != nil {
		return err
	}
	if m.Pending {
		return s.dropPending(tx, k, m)
	}
	gone := m
	gone.Domain, gone.Wrapped, gone.Expires = "", nil, time.Time{}
	return s.putMaterial(tx, k, gone)
}

// dropPending removes material that was never rotated to.
func (s *Service) dropPending(tx Tx, k *Key, m Material) error {
	if err := moveDue(tx, expiryPath(k, m), ""); err != nil {
		return err
	}
	if err := tx.Delete(materialPath(k.ID, m.Number)); err != nil {
		return err
	}
	_, err := s.changeShared(tx, k, func(k *Key) {
		k.material = maps.Clone(k.material)
		delete(k.material, m.Number)
	})
	return err
}

// Deleted drops the token's working copy of deleted material.
func (s *Service) Deleted(k *Key, m Material) {
	if m.Present() {
		s.tokenOf(m).Forget(m.key(k))
	}
}

// DueExpiries lists at most limit materials that have expired.
func (s *Service) DueExpiries(ctx context.Context, limit int) ([]DueKey, error) {
	return s.due(ctx, expiryIndex, limit)
}

// ExpireMaterial deletes material whose time is over, and returns its key and what
// it was. It refuses material that is not due: it may have been deleted or imported
// again since it was listed. After the commit the caller calls [Service.Deleted].
func (s *Service) ExpireMaterial(tx Tx, d DueKey) (*Key, Material, error) {
	region := d.Region
	if region == anyRegion {
		for path := range tx.Scan(relatedPath(d.ID, ""), "") {
			region = strings.TrimPrefix(path, relatedPath(d.ID, ""))
		}
	}
	k, err := s.loadKey(tx, region, d.ID)
	if err != nil {
		return nil, Material{}, err
	}
	m := k.material[d.Number]
	if m.Expires.IsZero() || m.Expires.After(s.now()) {
		return nil, Material{}, refuse(CodeInvalidState, "%s has no key material that is due to expire.", k.ARN())
	}
	return k, m, s.deleteMaterial(tx, k, m)
}

// dropExpiries removes a key's entries from the index of expiries.
func dropExpiries(tx Tx, k *Key) error {
	var errs []error
	for _, m := range k.material {
		errs = append(errs, moveDue(tx, expiryPath(k, m), ""))
	}
	return errors.Join(errs...)
}
