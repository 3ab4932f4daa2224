package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
)

// aliasCheck is the right on the alias itself; each alias operation needs it
// besides the right on the key.
func aliasCheck(s *Server, c *call, action, name string) authz.Check {
	return authz.Check{Action: action, Resource: s.KMS.AliasARN(c.region, name)}
}

// target finds the key that CreateAlias and UpdateAlias point at.
func target(s *Server, c *call, tx kms.Tx, alias, ref *string) (*kms.Key, error) {
	if err := kms.CheckAliasName(api.Value(alias)); err != nil {
		return nil, err
	}
	if err := kms.CheckAliasTarget(api.Value(ref)); err != nil {
		return nil, err
	}
	return s.KMS.ResolveID(c.ctx, tx, c.region, api.Value(ref))
}

func resolveCreateAlias(s *Server, c *call, tx kms.Tx, in *kmsapi.CreateAliasRequest) ([]authz.Check, error) {
	k, err := target(s, c, tx, in.AliasName, in.TargetKeyId)
	if err != nil {
		return nil, err
	}
	c.key = k
	return []authz.Check{aliasCheck(s, c, "kms:CreateAlias", *in.AliasName), keyCheck("kms:CreateAlias", k)}, nil
}

func createAlias(s *Server, c *call, tx kms.Tx, in *kmsapi.CreateAliasRequest) (*nothing, error) {
	return nil, s.KMS.CreateAlias(tx, *in.AliasName, c.key)
}

func resolveUpdateAlias(s *Server, c *call, tx kms.Tx, in *kmsapi.UpdateAliasRequest) ([]authz.Check, error) {
	k, err := target(s, c, tx, in.AliasName, in.TargetKeyId)
	if err != nil {
		return nil, err
	}
	old, err := s.KMS.AliasTarget(c.ctx, tx, c.region, *in.AliasName)
	if err != nil {
		return nil, err
	}
	c.key, c.other = k, old
	return []authz.Check{
		aliasCheck(s, c, "kms:UpdateAlias", *in.AliasName),
		keyCheck("kms:UpdateAlias", old), keyCheck("kms:UpdateAlias", k),
	}, nil
}

func updateAlias(s *Server, c *call, tx kms.Tx, in *kmsapi.UpdateAliasRequest) (*nothing, error) {
	return nil, s.KMS.UpdateAlias(c.ctx, tx, *in.AliasName, c.key)
}

func resolveDeleteAlias(s *Server, c *call, tx kms.Tx, in *kmsapi.DeleteAliasRequest) ([]authz.Check, error) {
	name := api.Value(in.AliasName)
	if err := kms.CheckAliasName(name); err != nil {
		return nil, err
	}
	k, err := s.KMS.AliasTarget(c.ctx, tx, c.region, name)
	if err != nil {
		return nil, err
	}
	c.key = k
	return []authz.Check{aliasCheck(s, c, "kms:DeleteAlias", name), keyCheck("kms:DeleteAlias", k)}, nil
}

func deleteAlias(s *Server, c *call, tx kms.Tx, in *kmsapi.DeleteAliasRequest) (*nothing, error) {
	return nil, s.KMS.DeleteAlias(c.ctx, tx, c.region, *in.AliasName)
}

func resolveListAliases(s *Server, c *call, tx kms.Tx, in *kmsapi.ListAliasesRequest) ([]authz.Check, error) {
	c.key = nil
	if in.KeyId != nil {
		k, err := s.KMS.ResolveID(c.ctx, tx, c.region, *in.KeyId)
		if err != nil {
			return nil, err
		}
		c.key = k
	}
	return []authz.Check{{Action: "kms:ListAliases", Resource: "*"}}, nil
}

func listAliases(s *Server, c *call, in *kmsapi.ListAliasesRequest) (*kmsapi.ListAliasesResponse, error) {
	aliases, next, err := s.KMS.ListAliases(c.ctx, c.region, c.key, page(in.Limit, in.Marker, 50))
	if err != nil {
		return nil, err
	}
	out := &kmsapi.ListAliasesResponse{Aliases: make([]kmsapi.AliasListEntry, len(aliases))}
	for i, a := range aliases {
		out.Aliases[i] = kmsapi.AliasListEntry{
			AliasName: &a.Name, AliasArn: new(a.ARN()), TargetKeyId: &a.Target,
			CreationDate: api.At(a.Created), LastUpdatedDate: api.At(a.Updated),
		}
	}
	out.NextMarker, out.Truncated = nextPage(next)
	return out, nil
}
