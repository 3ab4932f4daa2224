package kms

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

// sortable is RFC 3339 with a fixed number of digits, so that text order is
// time order. Always UTC.
const sortable = "2006-01-02T15:04:05.000Z"

func deletionPath(k *Key) string {
	return deletionIndex + k.DeletionDate.UTC().Format(sortable) + "/" + k.Region + "/" + k.ID
}

// A DueKey names a key whose deletion window has ended.
type DueKey struct{ Region, ID string }

// DueDeletions lists at most limit keys whose deletion window has ended.
func (s *Service) DueDeletions(ctx context.Context, limit int) ([]DueKey, error) {
	now := s.now()
	var due []DueKey
	err := s.db.View(ctx, func(tx Tx) error {
		for path := range tx.Scan(deletionIndex, "") {
			parts := strings.Split(strings.TrimPrefix(path, deletionIndex), "/")
			at, err := time.Parse(sortable, parts[0])
			if err != nil || len(parts) != 3 {
				return errors.New("record " + path + ": malformed")
			}
			if at.After(now) || len(due) == limit {
				return nil
			}
			due = append(due, DueKey{Region: parts[1], ID: parts[2]})
		}
		return nil
	})
	return due, err
}

// DestroyKey deletes a key whose window has ended, with its material and
// aliases. It refuses a key that is not due: the deletion may have been
// cancelled since it was listed. After the commit the caller calls
// [Service.Destroyed]; if it never comes to that, the next start does.
func (s *Service) DestroyKey(tx Tx, k *Key) error {
	if k.State != PendingDeletion || k.DeletionDate.After(s.now()) {
		return refuse(CodeInvalidState, "%s is not due for deletion.", k.ARN())
	}
	for _, path := range []string{deletionPath(k), keyPath(k.Region, k.ID)} {
		if err := tx.Delete(path); err != nil {
			return err
		}
	}
	for number := range k.material {
		if err := tx.Delete(materialPath(k.ID, number)); err != nil {
			return err
		}
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

// Destroyed drops the token's working copies of a destroyed key.
func (s *Service) Destroyed(k *Key) {
	for _, m := range k.material {
		s.token.Forget(m.key())
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
