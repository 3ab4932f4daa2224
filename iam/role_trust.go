package iam

import (
	"encoding/json"
	"errors"

	"github.com/keyd-hsm/keyd/policy"
)

// setTrust puts a trust policy on a role, as given and with the users and roles
// in it bound to their unique ids, so that one made later under the same name is
// not trusted (rule 2.4).
func (s *Service) setTrust(tx Tx, r *Role, trust string) error {
	if documentSize(trust) > s.limits.PolicySize {
		return refuse(CodeLimitExceeded, "Cannot exceed quota for ACLSizePerRole: %d", s.limits.PolicySize)
	}
	if !json.Valid([]byte(trust)) {
		return refuse(CodeMalformed, "This policy contains invalid Json")
	}
	p, err := s.parseDocument(trust, policy.Trust)
	if err != nil {
		return err
	}
	var broken error
	text, err := p.Rebind(func(principal string) (string, bool) {
		id, err := s.ResolvePrincipal(tx, principal)
		if err != nil && !errors.Is(err, ErrNoPrincipal) {
			broken = err
		}
		return id, err == nil
	})
	if broken != nil {
		return broken
	}
	if refusal := (*policy.Error)(nil); errors.As(err, &refusal) {
		return refuse(CodeMalformed, "%s", refusal.Reason)
	}
	if err != nil {
		return err
	}
	r.Trust, r.TrustBound = trust, string(text)
	return nil
}

// TrustPolicy is a role's trust policy as it is shown: users and roles by the
// ARNs they have now, those that are gone by their unique ids.
func (s *Service) TrustPolicy(tx Tx, r *Role) (string, error) {
	if r.Trust == r.TrustBound {
		return r.Trust, nil
	}
	p, err := policy.Load(r.Name, []byte(r.TrustBound), policy.Trust)
	if err != nil {
		return "", err
	}
	var broken error
	shown, err := p.Rebind(func(principal string) (string, bool) {
		arn, err := s.PrincipalARN(tx, principal)
		if errors.Is(err, ErrNoPrincipal) {
			return principal, true
		}
		if err != nil {
			broken = err
		}
		return arn, err == nil
	})
	if broken != nil {
		return "", broken
	}
	return string(shown), err
}
