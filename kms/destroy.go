package kms

import (
	"context"
	"errors"
	"strings"

	"github.com/keyd-hsm/keyd/store"
)

func deletionPath(k *Key) string { return duePath(deletionIndex, k.DeletionDate, k) }

// DueDeletions lists at most limit keys whose deletion window has ended.
func (s *Service) DueDeletions(ctx context.Context, limit int) ([]DueKey, error) {
	return s.due(ctx, deletionIndex, limit)
}

// DestroyKey deletes a key whose window has ended, with its material and
// aliases; the material of a multi-Region key goes with the last of its related
// keys. It refuses a key that is not due: the deletion may have been
// cancelled since it was listed. After the commit the caller calls
// [Service.Destroyed]; if it never comes to that, the next start does.
func (s *Service) DestroyKey(tx Tx, k *Key) error {
	if k.State != PendingDeletion || k.DeletionDate.After(s.now()) {
		return refuse(CodeInvalidState, "%s is not due for deletion.", k.ARN())
	}
	for _, path := range []string{deletionPath(k), keyPath(k.Region, k.ID), storeKeyPath(k.CustomStore, k.Region, k.ID)} {
		if err := tx.Delete(path); err != nil {
			return err
		}
	}
	if err := s.dropRelated(tx, k); err != nil {
		return err
	}
	if k.last() {
		if err := errors.Join(s.dropMaterial(tx, k), dropExpiries(tx, k)); err != nil {
			return err
		}
	}
	if err := s.dropGrants(tx, k); err != nil {
		return err
	}
	if err := tx.Delete(usagePath(k.Region, k.ID)); err != nil {
		return err
	}
	var names []string
	for path := range tx.Scan(aliasIndexPath(k.Region, k.ID, ""), "") {
		names = append(names, strings.TrimPrefix(path, aliasIndexPath(k.Region, k.ID, "")))
	}
	for _, name := range names {
		if err := dropAlias(tx, k.Region, name, k.ID); err != nil {
			return err
		}
	}
	return tx.Put(scrubPath, nil)
}

// dropMaterial deletes the material of a key. Objects on a token are noted for
// [Service.Reap]: a crash after the commit leaves them, and the note.
func (s *Service) dropMaterial(tx Tx, k *Key) error {
	for number, m := range k.material {
		if err := tx.Delete(materialPath(k.ID, number)); err != nil {
			return err
		}
		if m.Resident == "" {
			continue
		}
		m.Created = s.now()
		if err := put(tx, doomedPath(m), m); err != nil {
			return err
		}
	}
	return nil
}

// Destroyed drops the token's working copies of a destroyed key.
func (s *Service) Destroyed(k *Key) {
	if !k.last() {
		return
	}
	for _, m := range k.material {
		s.tokenOf(m).Forget(m.key(k))
	}
}

// Scrub overwrites what deleted key material has left on the medium. Until it
// has, a note in the store makes the next start do it.
func (s *Service) Scrub(ctx context.Context) error {
	err := s.db.View(ctx, func(tx Tx) error {
		_, err := tx.Get(scrubPath)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.db.Scrub(ctx); err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx Tx) error { return tx.Delete(scrubPath) })
}
