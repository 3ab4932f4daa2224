package iam

import (
	"context"
	"errors"

	"github.com/keyd-hsm/keyd/store"
)

// rootKeys is the name under which the index of access keys holds those of the
// root user; no user can be called so.
const rootKeys = ":root"

// SealRootKey makes the root user's access key, ready for PutRootKey. It
// changes nothing.
func (s *Service) SealRootKey(ctx context.Context, c Credentials) (AccessKey, error) {
	k, err := s.SealKey(ctx, c)
	k.Owner = Root(s.account).ARN
	return k, err
}

// PutRootKey stores the root user's access key in place of the one that was
// stored this way before.
func (s *Service) PutRootKey(tx Tx, k AccessKey) error {
	old, err := tx.Get(rootAccessKey)
	switch {
	case err == nil:
		if err := dropKey(tx, rootKeys, string(old)); err != nil {
			return err
		}
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if err := putKey(tx, rootKeys, k); err != nil {
		return err
	}
	return tx.Put(rootAccessKey, []byte(k.ID))
}

// RootCredentials opens the root user's access key, which the development
// appliance shows again at each start. ErrNoAccessKey when there is none.
func (s *Service) RootCredentials(ctx context.Context) (Credentials, error) {
	id, err := store.Cached(ctx, s.cache, rootAccessKey, func(tx Tx) (string, error) {
		id, err := tx.Get(rootAccessKey)
		return string(id), err
	})
	if errors.Is(err, store.ErrNotFound) {
		return Credentials{}, ErrNoAccessKey
	}
	if err != nil {
		return Credentials{}, err
	}
	k, err := s.AccessKey(ctx, id)
	if err != nil {
		return Credentials{}, err
	}
	secret, err := s.Secret(ctx, k)
	return Credentials{ID: id, Secret: Secret(secret)}, err
}
