package iam

import (
	"context"
	"errors"
	"strings"

	"github.com/keyd-hsm/keyd/store"
)

// UserByID finds a user by unique id (AIDA…), which a user made anew under an
// old name does not share with the old one; NoSuchEntity if there is none. With
// a transaction it reads there; with nil, from the cache.
func (s *Service) UserByID(ctx context.Context, tx Tx, id string) (*User, error) {
	return byID(ctx, s, tx, KindUser, id, func(u *User) string { return u.ID })
}

// RoleByID finds a role by unique id (AROA…), as UserByID finds a user.
func (s *Service) RoleByID(ctx context.Context, tx Tx, id string) (*Role, error) {
	return byID(ctx, s, tx, KindRole, id, func(r *Role) string { return r.ID })
}

func byID[T any](ctx context.Context, s *Service, tx Tx, kind, id string, idOf func(*T) string) (*T, error) {
	find := func() (*T, error) {
		name, err := s.nameOf(ctx, tx, kind, id)
		if err != nil {
			return nil, err
		}
		found, err := entity[T](ctx, s, tx, kind, name)
		if err == nil && idOf(found) != id { // made anew between the two reads
			return nil, noSuch(kind, id)
		}
		return found, err
	}
	found, err := find()
	if tx == nil && isNoSuch(err) {
		return find() // a rename between the two reads looks the same; by now it is over
	}
	return found, err
}

// nameOf finds the name under which an entity of a kind stands.
func (s *Service) nameOf(ctx context.Context, tx Tx, kind, id string) (string, error) {
	if id == "" || len(id) > 128 || strings.ContainsFunc(id, notWord) {
		return "", noSuch(kind, "")
	}
	read := func(tx Tx) (string, error) {
		place, err := tx.Get(uniqueIDs + id)
		return string(place), err
	}
	var (
		place string
		err   error
	)
	if tx != nil {
		place, err = read(tx)
	} else {
		place, err = store.Cached(ctx, s.cache, uniqueIDs+id, read)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	name, ok := strings.CutPrefix(place, prefix+kind+"/")
	if err != nil || !ok {
		return "", noSuch(kind, id)
	}
	return name, nil
}
