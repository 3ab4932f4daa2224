package kms

import (
	"context"
	"strings"
)

// ListGrants lists the grants of a key by their ids, all or those to a grantee,
// given as grants have it bound.
func (s *Service) ListGrants(ctx context.Context, k *Key, grantee string, p Page) (grants []*Grant, next string, err error) {
	if grantee == "" {
		next, err = s.list(ctx, grantPath(k.Region, k.ID, ""), p, func(_ Tx, _ string, value []byte) error {
			g, err := decodeGrant(value)
			grants = append(grants, g)
			return err
		})
		return grants, next, err
	}
	next, err = s.list(ctx, grantToPath(k.Region, k.ID, grantee, ""), p, func(tx Tx, id string, _ []byte) error {
		g, err := s.loadGrant(tx, k.Region, k.ID, id)
		grants = append(grants, g)
		return err
	})
	return grants, next, err
}

// ListRetirableGrants lists the grants of a region that name somebody, given as
// grants have it bound, as the one who may retire them.
func (s *Service) ListRetirableGrants(ctx context.Context, region, retiring string, p Page) (grants []*Grant, next string, err error) {
	next, err = s.list(ctx, retireIndex+region+"/"+pathed(retiring)+"/", p, func(tx Tx, name string, _ []byte) error {
		key, id, _ := strings.Cut(name, "/")
		g, err := s.loadGrant(tx, region, key, id)
		grants = append(grants, g)
		return err
	})
	return grants, next, err
}
