package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/kms"
)

func listGrants(s *Server, c *call, in *kmsapi.ListGrantsRequest) (*kmsapi.ListGrantsResponse, error) {
	if in.GranteeServicePrincipal != nil {
		return nil, errServicePrincipal
	}
	grantee, err := s.filter(c, in.GranteePrincipal)
	if err != nil {
		return nil, err
	}
	if in.GrantId != nil {
		return s.listGrant(c, *in.GrantId, grantee)
	}
	grants, next, err := s.KMS.ListGrants(c.ctx, c.key, grantee, page(in.Limit, in.Marker, 50))
	if err != nil {
		return nil, err
	}
	return s.shownGrants(c, grants, next)
}

// filter binds a principal that a list is asked for; none gives "".
func (s *Server) filter(c *call, principal *string) (bound string, err error) {
	if principal == nil {
		return "", nil
	}
	err = s.State.View(c.ctx, func(tx kms.Tx) error {
		bound, err = s.bindPrincipal(tx, *principal)
		return err
	})
	return bound, err
}

// listGrant is the list of one grant, or of none.
func (s *Server) listGrant(c *call, id, grantee string) (*kmsapi.ListGrantsResponse, error) {
	g, err := s.KMS.Grant(c.ctx, nil, c.key, id)
	switch {
	case isNotFound(err), err == nil && grantee != "" && g.Grantee != grantee:
		return s.shownGrants(c, nil, "")
	case err != nil:
		return nil, err
	}
	return s.shownGrants(c, []*kms.Grant{g}, "")
}

func listRetirableGrants(s *Server, c *call, in *kmsapi.ListRetirableGrantsRequest) (*kmsapi.ListGrantsResponse, error) {
	if in.RetiringServicePrincipal != nil {
		return nil, errServicePrincipal
	}
	if in.RetiringPrincipal == nil {
		return nil, nullMember("retiringPrincipal")
	}
	retiring, err := s.filter(c, in.RetiringPrincipal)
	if err != nil {
		return nil, err
	}
	grants, next, err := s.KMS.ListRetirableGrants(c.ctx, c.region, retiring, page(in.Limit, in.Marker, 50))
	if err != nil {
		return nil, err
	}
	return s.shownGrants(c, grants, next)
}

// shownGrants shows grants with the ARNs that their principals have now; those
// that are gone stay as unique ids.
func (s *Server) shownGrants(c *call, grants []*kms.Grant, next string) (*kmsapi.ListGrantsResponse, error) {
	out := &kmsapi.ListGrantsResponse{Grants: make([]kmsapi.GrantListEntry, len(grants))}
	out.NextMarker, out.Truncated = nextPage(next)
	return out, s.State.View(c.ctx, func(tx kms.Tx) error {
		for i, g := range grants {
			out.Grants[i] = s.shownGrant(tx, g)
		}
		return nil
	})
}

func (s *Server) shownGrant(tx kms.Tx, g *kms.Grant) kmsapi.GrantListEntry {
	e := kmsapi.GrantListEntry{
		KeyId: new(g.KeyARN()), GrantId: &g.ID, Name: &g.Name, CreationDate: api.At(g.Created),
		GranteePrincipal: new(s.IAM.ShownPrincipal(tx, g.Grantee)),
		IssuingAccount:   new("arn:aws:iam::" + g.Issuer + ":root"),
	}
	if g.Retiring != "" {
		e.RetiringPrincipal = new(s.IAM.ShownPrincipal(tx, g.Retiring))
	}
	for _, op := range g.Operations {
		e.Operations = append(e.Operations, kmsapi.GrantOperation(op))
	}
	if g.Equals != nil || g.Subset != nil {
		e.Constraints = &kmsapi.GrantConstraints{EncryptionContextEquals: g.Equals, EncryptionContextSubset: g.Subset}
	}
	return e
}
