package server

import (
	"context"
	"errors"

	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

// checkPolicyName refuses every name but the one that key policies have.
func checkPolicyName(name *string) error {
	if name != nil && *name != kms.PolicyName {
		return &kms.Error{Code: kms.CodeNotFound, Message: "No such policy exists"}
	}
	return nil
}

// bindPolicy checks a key policy and names the users and roles in it by their
// unique ids, so that one made later under an old name inherits nothing (rule
// 2.4). An absent policy is the default one.
func (s *Server) bindPolicy(tx kms.Tx, text *string) (string, error) {
	if text == nil {
		return s.KMS.DefaultPolicy(), nil
	}
	p, err := s.KMS.ParsePolicy(*text)
	if err != nil {
		return "", err
	}
	var failed error
	bound, err := p.Rebind(func(principal string) (string, bool) {
		id, err := s.IAM.ResolvePrincipal(tx, principal)
		if err != nil && !errors.Is(err, iam.ErrNoPrincipal) {
			failed = err
		}
		return id, err == nil
	})
	if failed != nil {
		return "", failed
	}
	if err != nil {
		return "", kms.PolicyError(err)
	}
	return string(bound), nil
}

// shownPolicy is a stored key policy with the ARNs that users and roles have now;
// those that are gone stay as unique ids.
func (s *Server) shownPolicy(ctx context.Context, k *kms.Key) (string, error) {
	var shown []byte
	err := s.State.View(ctx, func(tx kms.Tx) (err error) {
		shown, err = k.CompiledPolicy().Rebind(func(principal string) (string, bool) {
			if arn, err := s.IAM.PrincipalARN(tx, principal); err == nil {
				return arn, true
			}
			return principal, true
		})
		return err
	})
	return string(shown), err
}

func getKeyPolicy(s *Server, c *call, in *kmsapi.GetKeyPolicyRequest) (*kmsapi.GetKeyPolicyResponse, error) {
	if err := checkPolicyName(in.PolicyName); err != nil {
		return nil, err
	}
	text, err := s.shownPolicy(c.ctx, c.key)
	if err != nil {
		return nil, err
	}
	return &kmsapi.GetKeyPolicyResponse{Policy: &text, PolicyName: new(kms.PolicyName)}, nil
}

func listKeyPolicies(_ *Server, _ *call, in *kmsapi.ListKeyPoliciesRequest) (*kmsapi.ListKeyPoliciesResponse, error) {
	if in.Marker != nil {
		return nil, &kms.Error{Code: kms.CodeInvalidMarker, Message: "Could not deserialize marker '" + *in.Marker + "'"}
	}
	return &kmsapi.ListKeyPoliciesResponse{PolicyNames: []string{kms.PolicyName}, Truncated: new(false)}, nil
}

func putKeyPolicy(s *Server, c *call, tx kms.Tx, in *kmsapi.PutKeyPolicyRequest) (*nothing, error) {
	if err := checkPolicyName(in.PolicyName); err != nil {
		return nil, err
	}
	text, err := s.bindPolicy(tx, in.Policy)
	if err != nil {
		return nil, err
	}
	changed, err := s.KMS.PutKeyPolicy(tx, c.key, text)
	if err != nil {
		return nil, err
	}
	return nil, s.checkLockout(c, changed, in.BypassPolicyLockoutSafetyCheck)
}

// boundPolicy is the policy of a key to be made, bound in a snapshot of its own.
func (s *Server) boundPolicy(c *call, in *kmsapi.CreateKeyRequest) (text string, err error) {
	err = s.State.View(c.ctx, func(tx kms.Tx) error {
		text, err = s.bindPolicy(tx, in.Policy)
		return err
	})
	return text, err
}
