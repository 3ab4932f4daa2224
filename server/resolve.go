package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
)

// onKey resolves an operation on one key, named in any way.
func onKey[I any](action string, ref func(*I) *string) resolver[I] {
	return func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error) {
		k, err := s.KMS.Resolve(c.ctx, tx, c.region, api.Value(ref(in)))
		return c.onKey(action, k, err)
	}
}

// onKeyID resolves an operation on one key, named by its id or ARN only.
func onKeyID[I any](action string, ref func(*I) *string) resolver[I] {
	return func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error) {
		k, err := s.KMS.ResolveID(c.ctx, tx, c.region, api.Value(ref(in)))
		return c.onKey(action, k, err)
	}
}

// onKey leaves the key in the call and asks for one action on it.
func (c *call) onKey(action string, k *kms.Key, err error) ([]authz.Check, error) {
	if err != nil {
		return nil, err
	}
	c.key = k
	check := keyCheck(action, k)
	check.Facts = keyFacts(c.in)
	return []authz.Check{check}, nil
}

func keyCheck(action string, k *kms.Key) authz.Check {
	return authz.Check{Action: action, Resource: k.ARN(), Key: k}
}

// onNothing resolves an operation without a resource.
func onNothing[I any](action string) resolver[I] {
	return func(*Server, *call, kms.Tx, *I) ([]authz.Check, error) {
		return []authz.Check{{Action: action, Resource: "*"}}, nil
	}
}
