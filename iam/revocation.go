package iam

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

// Revocation ends sessions of a user, a role or the root user: those that were
// issued up to a moment.
type Revocation struct {
	Version int       `json:"v"`
	At      time.Time `json:"at"`
}

// RevokeSessions ends every session of the user or role of a unique id, or with
// the account's number of the root user, that has been issued by now. New ones
// may be made at once.
func (s *Service) RevokeSessions(tx Tx, id string) error {
	return put(tx, revoked+id, Revocation{Version: 1, At: s.clock().UTC()})
}

// SessionRevoked reports whether a session of a user, role or the root user that
// was issued then has been revoked since.
func (s *Service) SessionRevoked(ctx context.Context, id string, issued time.Time) (bool, error) {
	r, err := store.Cached(ctx, s.cache, revoked+id, func(tx Tx) (Revocation, error) {
		var r Revocation
		b, err := tx.Get(revoked + id)
		if errors.Is(err, store.ErrNotFound) {
			return r, nil // known to be none, and kept so
		}
		if err != nil {
			return r, err
		}
		return r, json.Unmarshal(b, &r)
	})
	return err != nil || !r.At.IsZero() && !issued.After(r.At), err
}
