package kms

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// Limits of rotation: periods in days, and AWS's number of rotations on demand
// in the life of a key.
const (
	MinRotationPeriod     = 90
	MaxRotationPeriod     = 2560
	DefaultRotationPeriod = 365
	MaxRotationsOnDemand  = 25
)

// Ways in which material became the current one, in AWS's words.
const (
	RotatedAutomatically = "AUTOMATIC"
	RotatedOnDemand      = "ON_DEMAND"
)

// Rotation is the schedule by which a key gets new material, and what counts
// against the limit of rotations on demand. Old material stays for decryption.
type Rotation struct {
	Period   int       `json:"period,omitzero"`    // days; 0 while automatic rotation is off
	Next     time.Time `json:"next,omitzero"`      // zero while automatic rotation is off
	OnDemand int       `json:"on_demand,omitzero"` // rotations on demand so far
}

// rotationPath is the key's entry in the index of rotations to come; "" for a key
// that has none. A disabled key is not rotated, nor is one that is about to be
// deleted: when it is enabled again, an entry whose time has passed is due at once.
// Related keys are rotated with their primary.
func rotationPath(k *Key) string {
	if k.Rotation.Period == 0 || k.State != Enabled || k.MultiRegion && !k.Primary() {
		return ""
	}
	return duePath(rotationIndex, k.Rotation.Next, k)
}

// RotatesAutomatically refuses a key that has no automatic rotation: of all keys,
// symmetric encryption keys made here have. It refuses one whose state forbids to
// change it, too.
func (k *Key) RotatesAutomatically() error {
	if k.Origin != OriginKMS {
		return k.wrongOrigin()
	}
	return k.rotates()
}

// RotatesOnDemand refuses a key that cannot be rotated now.
func (k *Key) RotatesOnDemand() error {
	if k.Origin != OriginKMS && k.Origin != OriginExternal {
		return k.wrongOrigin()
	}
	if err := k.rotates(); err != nil {
		return err
	}
	if k.Rotation.OnDemand >= MaxRotationsOnDemand {
		return refuse(CodeLimitExceeded, "The on-demand rotations limit has been reached for the given keyId. "+
			"No more on-demand rotations can be performed for this key: %s", k.ARN())
	}
	return nil
}

// rotates is the part of both: a usable key, and a symmetric one. AWS gives the
// refusal of other specs without a message.
func (k *Key) rotates() error {
	if err := k.Usable(); err != nil {
		return err
	}
	if !k.Symmetric() {
		return &Error{Code: CodeUnsupportedOperation}
	}
	if k.MultiRegion && !k.Primary() {
		return refuse(CodeUnsupportedOperation, "%s is a multi-Region replica key: rotate its primary key in %s.", k.ARN(), k.PrimaryRegion)
	}
	return nil
}

// HasRotationStatus refuses a key of another origin, whose status AWS does not
// tell either.
func (k *Key) HasRotationStatus() error {
	if k.Origin != OriginKMS {
		return k.wrongOrigin()
	}
	return nil
}

func (k *Key) wrongOrigin() error {
	return refuse(CodeUnsupportedOperation, "%s origin is %s which is not valid for this operation.", k.ARN(), k.Origin)
}

// EnableKeyRotation has the key rotated every that many days from now on. A
// schedule of that period stays as it is: to ask for it again delays nothing.
func (s *Service) EnableKeyRotation(tx Tx, k *Key, days int) error {
	if err := k.RotatesAutomatically(); err != nil {
		return err
	}
	if days < MinRotationPeriod || days > MaxRotationPeriod {
		return refuse(CodeValidation, "RotationPeriodInDays must be between %d and %d", MinRotationPeriod, MaxRotationPeriod)
	}
	if k.Rotation.Period == days {
		return nil
	}
	next := s.now().AddDate(0, 0, days) // one date for all related keys
	_, err := s.changeShared(tx, k, func(k *Key) { k.Rotation.Period, k.Rotation.Next = days, next })
	return err
}

// DisableKeyRotation ends automatic rotation; the key goes on with the material
// it has.
func (s *Service) DisableKeyRotation(tx Tx, k *Key) error {
	if err := k.RotatesAutomatically(); err != nil {
		return err
	}
	_, err := s.changeShared(tx, k, func(k *Key) { k.Rotation.Period, k.Rotation.Next = 0, time.Time{} })
	return err
}

// NextMaterial makes the material that a rotation of the key needs, in the token.
// It is nowhere until the rotation stores it. A key whose material is imported
// needs none: what it rotates to was imported before.
func (s *Service) NextMaterial(ctx context.Context, k *Key) (Material, error) {
	if k.Origin == OriginExternal {
		return Material{}, nil
	}
	return s.newMaterial(ctx, 0)
}

// RotateKeyOnDemand makes m, from NextMaterial, the current material, or of an
// imported key the material that waits for it. The schedule stays as it is. The
// rotation is complete with the transaction: there is never one in progress.
func (s *Service) RotateKeyOnDemand(tx Tx, k *Key, m Material) error {
	if err := k.RotatesOnDemand(); err != nil {
		return err
	}
	if k.Origin == OriginExternal {
		var ok bool
		if m, ok = k.pendingRotation(); !ok {
			return refuse(CodeInvalidState, "%s has no key material that is pending rotation.", k.ARN())
		}
		m.Pending = false
	}
	return s.rotate(tx, k, m, RotatedOnDemand)
}

// DueRotations lists at most limit keys whose rotation is due.
func (s *Service) DueRotations(ctx context.Context, limit int) ([]DueKey, error) {
	return s.due(ctx, rotationIndex, limit)
}

// RotateDueKey is the rotation by schedule. It refuses a key that is not due: it
// may have been disabled or rescheduled since it was listed. Rotations missed
// while the appliance was down, or the key disabled, are made up for by one; the
// next follows a whole period after it.
func (s *Service) RotateDueKey(tx Tx, k *Key, m Material) error {
	if rotationPath(k) == "" || k.Rotation.Next.After(s.now()) {
		return refuse(CodeInvalidState, "%s is not due for rotation.", k.ARN())
	}
	return s.rotate(tx, k, m, RotatedAutomatically)
}

// rotate stores m, with the number that follows unless it has one, as the
// current material.
func (s *Service) rotate(tx Tx, k *Key, m Material, how string) error {
	if m.Number == 0 {
		m.Number = k.lastNumber() + 1
	}
	m.RotationType, m.Rotated = how, s.now()
	if err := put(tx, materialPath(k.ID, m.Number), m); err != nil {
		return fmt.Errorf("material: %w", err)
	}
	_, err := s.changeShared(tx, k, func(k *Key) {
		k.material = maps.Clone(k.material)
		k.material[m.Number], k.Current = m, m.Number
		if how == RotatedAutomatically {
			k.Rotation.Next = m.Rotated.AddDate(0, 0, k.Rotation.Period)
			return
		}
		k.Rotation.OnDemand++
	})
	return err
}

// lastNumber is the highest number of the key's materials; 0 for none.
func (k *Key) lastNumber() (last uint32) {
	for number := range k.material {
		last = max(last, number)
	}
	return last
}
