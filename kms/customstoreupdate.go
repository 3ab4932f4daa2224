package kms

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/keyd-hsm/keyd/hsm"
)

// StoreChange says what UpdateCustomKeyStore changes; nil fields stay.
type StoreChange struct{ Name, Cluster, Password *string }

// DraftUpdate checks a change of a disconnected store, with the token where need
// be, and returns the store as it will be. A store that has keys may move only to
// a token that has them too, as a restored backup of the first one does.
func (s *Service) DraftUpdate(ctx context.Context, st *CustomStore, c StoreChange) (*CustomStore, error) {
	if err := st.disconnected(); err != nil {
		return nil, err
	}
	changed := *st
	changed.Changes++
	if c.Name != nil {
		changed.Name = *c.Name
	}
	if c.Password != nil {
		sealed, err := s.Seal(ctx, st.purpose(), []byte(*c.Password))
		if err != nil {
			return nil, err
		}
		changed.Password, changed.Refused = sealed, false
	}
	if c.Cluster != nil && *c.Cluster != st.Cluster {
		changed.Cluster, changed.Refused = *c.Cluster, false
		if err := s.checkRelation(ctx, &changed); err != nil {
			return nil, err
		}
	}
	return &changed, nil
}

// UpdateStore stores what DraftUpdate made of st, which nobody has changed since.
func (s *Service) UpdateStore(tx Tx, st, changed *CustomStore) error {
	if err := st.disconnected(); err != nil {
		return err
	}
	if changed.Changes != st.Changes+1 {
		return refuse(CodeStoreState, "Custom key store %s was changed at the same time; try again.", st.ID)
	}
	return s.putStore(tx, changed)
}

// checkRelation proves that the token of a store has every key of it.
func (s *Service) checkRelation(ctx context.Context, st *CustomStore) error {
	if _, err := s.cluster(st.Cluster); err != nil {
		return err
	}
	var keys []*Key
	err := s.db.View(ctx, func(tx Tx) error {
		for path := range tx.Scan(storeKeyIndex+st.ID+"/", "") {
			region, id, _ := strings.Cut(strings.TrimPrefix(path, storeKeyIndex+st.ID+"/"), "/")
			k, err := s.loadKey(tx, region, id)
			if err != nil {
				return err
			}
			keys = append(keys, k)
		}
		return nil
	})
	if err != nil || len(keys) == 0 {
		return err
	}
	token, err := s.openStore(ctx, st)
	if errors.Is(err, hsm.ErrPIN) {
		return refuse(CodeClusterNotRelated, "Cluster %s does not take the password of custom key store %s.", st.Cluster, st.ID)
	}
	if err != nil {
		return err
	}
	defer token.Close()
	for _, k := range keys {
		for _, m := range k.material {
			id, err := materialID(ctx, token, m.key(k))
			if errors.Is(err, hsm.ErrNotFound) || err == nil && id != m.ID {
				return refuse(CodeClusterNotRelated, "Cluster %s does not have the key %s of custom key store %s.", st.Cluster, k.ID, st.ID)
			}
			if err != nil {
				return fmt.Errorf("custom key store %s: %w", st.ID, err)
			}
		}
	}
	return nil
}
