package kms

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/keyd-hsm/keyd/store"
)

// CreateGrant makes a grant on a key and returns it with a token of it. One of the
// same name with the same parameters is returned as it is, with a fresh token.
func (s *Service) CreateGrant(tx Tx, k *Key, n NewGrant) (g *Grant, token string, err error) {
	if err := k.Usable(); err != nil && !k.unavailable() { // of a key store that is away, as AWS does
		return nil, "", err
	}
	if err := k.CheckScope(n.GrantScope); err != nil {
		return nil, "", err
	}
	if g, err = s.newGrant(k, n); err != nil {
		return nil, "", err
	}
	old, err := s.namesake(tx, g)
	if err != nil {
		return nil, "", err
	}
	if old != nil {
		g = old
	} else if err := s.addGrant(tx, k, g); err != nil {
		return nil, "", err
	}
	token, err = s.newGrantToken(g)
	return g, token, err
}

func (s *Service) newGrant(k *Key, n NewGrant) (*Grant, error) {
	random, err := s.randomBytes(32 + seedSize)
	if err != nil {
		return nil, err
	}
	if len(n.Subset) == 0 {
		n.Subset = nil // says as little, and one form of it is enough
	}
	var operations []string
	for _, op := range n.Operations {
		if !slices.Contains(operations, op) {
			operations = append(operations, op)
		}
	}
	return &Grant{
		Version: 1, ID: hex.EncodeToString(random[:32]), Region: k.Region, Key: k.ID, Account: k.Account,
		Name: n.Name, Created: s.now(), Grantee: n.Grantee, Retiring: n.Retiring, Issuer: n.Issuer,
		Operations: operations, Constraints: n.Constraints, Seed: random[32:],
	}, nil
}

// namesake finds the grant of the same name and parameters; nil: there is none.
func (s *Service) namesake(tx Tx, g *Grant) (*Grant, error) {
	if g.Name == "" {
		return nil, nil
	}
	id, err := tx.Get(g.namePath())
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.loadGrant(tx, g.Region, g.Key, string(id))
}

func (s *Service) addGrant(tx Tx, k *Key, g *Grant) error {
	if err := noteCount(tx, k, 1, s.limits.GrantsPerKey); err != nil {
		return err
	}
	g.Bucket = g.bucket(tx)
	if err := put(tx, grantPath(g.Region, g.Key, g.ID), g); err != nil {
		return err
	}
	return g.note(tx, 1)
}

// DeleteGrant ends a grant: RevokeGrant and RetireGrant.
func (s *Service) DeleteGrant(tx Tx, k *Key, g *Grant) error {
	if err := tx.Delete(grantPath(g.Region, g.Key, g.ID)); err != nil {
		return err
	}
	if err := g.note(tx, -1); err != nil {
		return err
	}
	return noteCount(tx, k, -1, 0)
}

// dropGrants removes all grants of a key that is deleted.
func (s *Service) dropGrants(tx Tx, k *Key) error {
	var paths []string
	for path, value := range tx.Scan(grantPath(k.Region, k.ID, ""), "") {
		g, err := decodeGrant(value)
		if err != nil {
			return err
		}
		paths = append(paths, path)
		if g.Retiring != "" {
			paths = append(paths, retirePath(g.Region, g.Retiring, g.Key, g.ID))
		}
	}
	for _, index := range []string{granteeIndex, formIndex, grantToIndex, nameIndex} {
		for path := range tx.Scan(index+k.Region+"/"+k.ID+"/", "") {
			paths = append(paths, path)
		}
	}
	for _, path := range append(paths, grantCountPath(k.Region, k.ID)) {
		if err := tx.Delete(path); err != nil {
			return err
		}
	}
	return nil
}

// Grant finds a grant of a key by its id; NotFoundException if there is none. It
// reads in the transaction or, with nil, from the cache.
func (s *Service) Grant(ctx context.Context, tx Tx, k *Key, id string) (*Grant, error) {
	if !validGrantID(id) {
		return nil, refuse(CodeInvalidGrantID, "Invalid grant ID: %s", id)
	}
	g, err := s.grantAt(ctx, tx, k.Region, k.ID, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(CodeNotFound, "Grant ID %s not found", id)
	}
	return g, err
}

func (s *Service) grantAt(ctx context.Context, tx Tx, region, key, id string) (*Grant, error) {
	if tx != nil {
		return s.loadGrant(tx, region, key, id)
	}
	return store.Cached(ctx, s.grants, grantPath(region, key, id), func(tx Tx) (*Grant, error) {
		return s.loadGrant(tx, region, key, id)
	})
}

func (s *Service) loadGrant(tx Tx, region, key, id string) (*Grant, error) {
	g := new(Grant)
	return g, get(tx, grantPath(region, key, id), g)
}

// validGrantID reports whether id has the form of a grant's id.
func validGrantID(id string) bool { return len(id) == 64 && isHex(id) }
