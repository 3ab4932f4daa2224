package iam

import (
	"errors"
	"slices"
	"strings"

	"github.com/keyd-hsm/keyd/store"
)

// CreateAccessKey gives a user, or with "" the root user, the access key that
// SealKey made. LimitExceeded when there are as many as may be.
func (s *Service) CreateAccessKey(tx Tx, user string, k AccessKey) error {
	owner, under, err := s.keyOwner(tx, user)
	if err != nil {
		return err
	}
	ids, err := keyIDs(tx, under)
	if err != nil {
		return err
	}
	if len(ids) >= s.limits.AccessKeysPerUser {
		return refuse(CodeLimitExceeded, "Cannot exceed quota for AccessKeysPerUser: %d", s.limits.AccessKeysPerUser)
	}
	k.Owner = owner
	return putKey(tx, under, k)
}

// SetKeyActive makes an access key of a user, or with "" of the root user, work
// or no longer work.
func (s *Service) SetKeyActive(tx Tx, user, id string, active bool) error {
	_, k, err := s.keyOf(tx, user, id)
	if err != nil {
		return err
	}
	k.Active = active
	return put(tx, accessKeys+k.ID, k)
}

// DeleteAccessKey removes an access key of a user, or with "" of the root user.
func (s *Service) DeleteAccessKey(tx Tx, user, id string) error {
	under, k, err := s.keyOf(tx, user, id)
	if err != nil {
		return err
	}
	if first, err := tx.Get(rootAccessKey); err == nil && string(first) == k.ID {
		if err := tx.Delete(rootAccessKey); err != nil {
			return err
		}
	}
	return dropKey(tx, under, k.ID)
}

// AccessKeys lists the access keys of a user, or with "" of the root user, by
// their ids.
func (s *Service) AccessKeys(tx Tx, user string, p Page) ([]*AccessKey, string, error) {
	_, under, err := s.keyOwner(tx, user)
	if err != nil {
		return nil, "", err
	}
	ids, err := keyIDs(tx, under)
	if err != nil {
		return nil, "", err
	}
	keys := make([]*AccessKey, len(ids))
	for i, id := range ids {
		if keys[i], err = load[AccessKey](tx, accessKeys+id); err != nil {
			return nil, "", err
		}
	}
	return pageOf(keys, userKeys+under, p, func(k *AccessKey) string { return k.ID })
}

// keyOwner gives who an access key belongs to, and the name in the index.
func (s *Service) keyOwner(tx Tx, user string) (owner, under string, err error) {
	if user == "" {
		return Root(s.account).ARN, rootKeys, nil
	}
	u, err := inTx[User](tx, KindUser, user)
	if err != nil {
		return "", "", err
	}
	return u.ID, strings.ToLower(u.Name), nil
}

// keyOf finds an access key of a user; NoSuchEntity if it is somebody else's.
func (s *Service) keyOf(tx Tx, user, id string) (under string, k *AccessKey, err error) {
	owner, under, err := s.keyOwner(tx, user)
	if err != nil {
		return "", nil, err
	}
	if id != "" && !strings.ContainsFunc(id, notWord) {
		k, err = load[AccessKey](tx, accessKeys+id)
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && (k == nil || k.Owner != owner) {
		return "", nil, refuse(CodeNoSuchEntity, "The Access Key with id %s cannot be found.", id)
	}
	return under, k, err
}

// keyIDs are the access keys that stand under a name in the index. The root
// user's first key may be from a time without index.
func keyIDs(tx Tx, under string) ([]string, error) {
	ids := slices.Collect(names(tx, userKeys+under+"/"))
	if under != rootKeys {
		return ids, nil
	}
	first, err := tx.Get(rootAccessKey)
	if errors.Is(err, store.ErrNotFound) {
		return ids, nil
	}
	if err == nil && !slices.Contains(ids, string(first)) {
		ids = append(ids, string(first))
		slices.Sort(ids)
	}
	return ids, err
}

func putKey(tx Tx, under string, k AccessKey) error {
	if err := put(tx, accessKeys+k.ID, k); err != nil {
		return err
	}
	return tx.Put(userKeys+under+"/"+k.ID, nil)
}

func dropKey(tx Tx, under, id string) error {
	for _, path := range []string{accessKeys + id, userKeys + under + "/" + id, lastUses + id} {
		if err := tx.Delete(path); err != nil {
			return err
		}
	}
	return nil
}
