package kms

import (
	"context"
	"errors"
	"time"
)

// Limits of a deletion window, in days.
const (
	MinPendingWindow     = 7
	MaxPendingWindow     = 30
	DefaultPendingWindow = 30
)

// NewKey says what CreateKey is to make. Empty fields take AWS's defaults: a
// symmetric encryption key.
type NewKey struct {
	Region      string
	Description string
	Policy      string // checked and bound
	Tags        []Tag
	Spec        string
	Usage       string // of a symmetric encryption key it may be empty
	Origin      string // "" or OriginExternal: the material will be imported
	MultiRegion bool
	Store       *CustomStore // from [Service.StoreForKey]; nil: none
}

// Draft checks what is asked for and returns the key as it will be, in state
// Creating and without material. It changes nothing.
func (s *Service) Draft(n NewKey) (*Key, error) {
	if n.Spec == "" {
		n.Spec = SymmetricDefault
	}
	usage, err := s.checkSpec(n.Spec, n.Usage)
	if err != nil {
		return nil, err
	}
	tags, err := s.acceptTags(n.Tags)
	if err != nil {
		return nil, err
	}
	id, err := s.newKeyID(n.MultiRegion)
	if err != nil {
		return nil, err
	}
	k := &Key{
		Version: 1, ID: id, Account: s.account, Region: n.Region,
		Description: n.Description, Policy: n.Policy, Tags: tags,
		State: Creating, Spec: n.Spec, Usage: usage, Origin: OriginKMS, Created: s.now(),
	}
	if n.MultiRegion {
		k.MultiRegion, k.PrimaryRegion, k.related = true, n.Region, []string{n.Region}
	}
	if n.Store != nil {
		if n.Spec != SymmetricDefault || n.MultiRegion {
			return nil, refuse(CodeUnsupportedOperation, "A custom key store holds symmetric encryption keys of one Region only.")
		}
		k.Origin, k.CustomStore, k.cluster, k.connected = OriginCloudHSM, n.Store.ID, n.Store.Cluster, true
	}
	if n.Origin == OriginExternal {
		k.Origin = n.Origin
		if err := canImport(n.Spec); err != nil {
			return nil, err
		}
	}
	k.compile()
	return k, nil
}

// newMaterial makes the material of a symmetric encryption key.
func (s *Service) newMaterial(ctx context.Context, number uint32) (Material, error) {
	return s.makeMaterial(ctx, &Key{Spec: SymmetricDefault, Usage: EncryptDecrypt}, number)
}

// now is the appliance's time as records keep it: in UTC, to the millisecond,
// which is what AWS shows.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }

// CreateKey stores a key that MakeKey made: with its material, which leaves the
// pool if it came from there, and the key is unmade no longer.
func (s *Service) CreateKey(tx Tx, k *Key) error {
	for _, m := range k.material {
		if err := errors.Join(drawPooled(tx, m), put(tx, materialPath(k.ID, m.Number), m)); err != nil {
			return err
		}
	}
	return errors.Join(tx.Delete(unmadePath(k)), s.storeKey(tx, k))
}

// storeKey stores the record of a new key.
func (s *Service) storeKey(tx Tx, k *Key) error {
	if k.MultiRegion {
		if err := tx.Put(relatedPath(k.ID, k.Region), nil); err != nil {
			return err
		}
	}
	if k.CustomStore != "" {
		if _, err := loadStore(tx, k.Region, k.CustomStore); err != nil {
			return err // deleted since it was asked for
		}
		if err := tx.Put(storeKeyPath(k.CustomStore, k.Region, k.ID), nil); err != nil {
			return err
		}
	}
	return putKey(tx, k)
}

// UpdateKeyDescription replaces the description.
func (s *Service) UpdateKeyDescription(tx Tx, k *Key, description string) error {
	if err := k.Kept(); err != nil {
		return err
	}
	_, err := changeKey(tx, k, func(k *Key) { k.Description = description })
	return err
}

// EnableKey makes a disabled key usable.
func (s *Service) EnableKey(tx Tx, k *Key) error { return setState(tx, k, Enabled) }

// DisableKey makes a key unusable until EnableKey.
func (s *Service) DisableKey(tx Tx, k *Key) error { return setState(tx, k, Disabled) }

func setState(tx Tx, k *Key, state State) error {
	if err := k.Kept(); err != nil {
		return err
	}
	if k.State == PendingImport {
		return k.Usable() // there is nothing to enable or disable
	}
	_, err := changeKey(tx, k, func(k *Key) { k.State = state })
	return err
}

// ScheduleKeyDeletion starts the deletion window of that many days and returns
// the key as it is now. That of a multi-Region primary key starts when its last
// replica is gone.
func (s *Service) ScheduleKeyDeletion(tx Tx, k *Key, days int) (*Key, error) {
	if days < MinPendingWindow || days > MaxPendingWindow {
		return nil, refuse(CodeValidation, "PendingWindowInDays must be between %d and %d", MinPendingWindow, MaxPendingWindow)
	}
	if err := k.Kept(); err != nil {
		return nil, err
	}
	if k.Primary() && !k.last() {
		return changeKey(tx, k, func(k *Key) { k.State, k.PendingWindow = PendingReplicaDeletion, days })
	}
	return s.beginWindow(tx, k, days)
}

func (s *Service) beginWindow(tx Tx, k *Key, days int) (*Key, error) {
	k, err := changeKey(tx, k, func(k *Key) {
		k.State = PendingDeletion
		k.PendingWindow = days
		k.DeletionDate = s.now().AddDate(0, 0, days)
	})
	if err != nil {
		return nil, err
	}
	return k, tx.Put(deletionPath(k), nil)
}

// CancelKeyDeletion ends the deletion window; the key is Disabled then, or pending
// import.
func (s *Service) CancelKeyDeletion(tx Tx, k *Key) error {
	switch k.State {
	case PendingReplicaDeletion:
	case PendingDeletion:
		if err := tx.Delete(deletionPath(k)); err != nil {
			return err
		}
	default:
		return refuse(CodeInvalidState, "%s is not pending deletion.", k.ARN())
	}
	_, err := changeKey(tx, k, func(k *Key) {
		k.State, k.PendingWindow, k.DeletionDate = k.resting(Disabled), 0, time.Time{}
	})
	return err
}
