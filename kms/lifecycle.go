package kms

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/hsm"
)

// Limits of a deletion window, in days.
const (
	MinPendingWindow     = 7
	MaxPendingWindow     = 30
	DefaultPendingWindow = 30
)

// maxTags is AWS's number of tags on one key.
const maxTags = 50

// A Tag of a new key.
type Tag struct{ Key, Value string }

// NewKey says what CreateKey is to make. Empty fields take AWS's defaults.
type NewKey struct {
	Region      string
	Description string
	Policy      string // checked and bound
	Tags        []Tag
}

// MakeKey makes a symmetric encryption key in the token, ready to be stored by
// [Service.CreateKey]. It changes nothing: a key that is never stored is
// nowhere.
func (s *Service) MakeKey(ctx context.Context, n NewKey) (*Key, error) {
	tags, err := acceptTags(n.Tags)
	if err != nil {
		return nil, err
	}
	id, err := s.newKeyID()
	if err != nil {
		return nil, err
	}
	m, err := s.newMaterial(ctx, 1)
	if err != nil {
		return nil, err
	}
	k := &Key{
		Version: 1, ID: id, Account: s.account, Region: n.Region,
		Description: n.Description, Policy: n.Policy, Tags: tags,
		State: Enabled, Spec: SymmetricDefault, Usage: EncryptDecrypt, Origin: OriginKMS,
		Created: m.Created, Current: m.Number, material: map[uint32]Material{m.Number: m},
	}
	k.compile()
	return k, nil
}

func (s *Service) newMaterial(ctx context.Context, number uint32) (Material, error) {
	wrapped, err := s.token.Generate(ctx, s.root.Domain, hsm.HMACSHA256)
	if err != nil {
		return Material{}, fmt.Errorf("backing key: %w", err)
	}
	m := Material{Version: 1, Number: number, Domain: s.root.Domain, Wrapped: wrapped, Created: s.now()}
	m.ID, err = materialID(ctx, s.token, m.key())
	return m, err
}

// now is the appliance's time as records keep it: in UTC, to the millisecond,
// which is what AWS shows.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }

// CreateKey stores a key that MakeKey made.
func (s *Service) CreateKey(tx Tx, k *Key) error {
	for _, m := range k.material {
		if err := put(tx, materialPath(k.ID, m.Number), m); err != nil {
			return err
		}
	}
	return put(tx, keyPath(k.Region, k.ID), k)
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
	_, err := changeKey(tx, k, func(k *Key) { k.State = state })
	return err
}

// ScheduleKeyDeletion starts the deletion window of that many days and returns
// the key as it is now.
func (s *Service) ScheduleKeyDeletion(tx Tx, k *Key, days int) (*Key, error) {
	if days < MinPendingWindow || days > MaxPendingWindow {
		return nil, refuse(CodeValidation, "PendingWindowInDays must be between %d and %d", MinPendingWindow, MaxPendingWindow)
	}
	if err := k.Kept(); err != nil {
		return nil, err
	}
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

// CancelKeyDeletion ends the deletion window; the key is Disabled then.
func (s *Service) CancelKeyDeletion(tx Tx, k *Key) error {
	if k.State != PendingDeletion {
		return refuse(CodeInvalidState, "%s is not pending deletion.", k.ARN())
	}
	if err := tx.Delete(deletionPath(k)); err != nil {
		return err
	}
	_, err := changeKey(tx, k, func(k *Key) {
		k.State, k.PendingWindow, k.DeletionDate = Disabled, 0, time.Time{}
	})
	return err
}

func acceptTags(tags []Tag) (map[string]string, error) {
	if len(tags) > maxTags {
		return nil, refuse(CodeLimitExceeded, "A key has at most %d tags.", maxTags)
	}
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		if strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return nil, refuse(CodeTag, "aws: prefixed tag key names are not allowed for external use.")
		}
		if _, twice := m[t.Key]; twice {
			return nil, refuse(CodeTag, "Duplicate tag keys")
		}
		m[t.Key] = t.Value
	}
	return m, nil
}
