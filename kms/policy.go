package kms

import (
	"errors"

	"github.com/keyd-hsm/keyd/policy"
)

// PolicyName is the only name a key policy has.
const PolicyName = "default"

// DefaultPolicy is the key policy of a key that was created without one: it
// gives the account's root user every right on the key and leaves the rest to
// identity policies.
func (s *Service) DefaultPolicy() string { return s.policy }

func defaultPolicy(account string) string { return string(policy.DefaultKeyPolicy(account)) }

// ParsePolicy checks a key policy that somebody wants to save.
func (s *Service) ParsePolicy(text string) (*policy.Policy, error) {
	if len(text) > s.limits.PolicyBytes {
		return nil, refuse(CodeLimitExceeded, "Policy is longer than %d bytes.", s.limits.PolicyBytes)
	}
	p, err := policy.Parse([]byte(text), policy.Key)
	if err != nil {
		return nil, PolicyError(err)
	}
	return p, nil
}

// PolicyError puts a refusal of package policy into KMS's words.
func PolicyError(err error) error {
	var refusal *policy.Error
	switch {
	case errors.Is(err, policy.ErrTooLarge):
		return refuse(CodeLimitExceeded, "Policy is longer than %d bytes.", policy.MaxKeyBytes)
	case errors.As(err, &refusal):
		return &Error{Code: CodeMalformedPolicy, Message: refusal.Reason}
	}
	return err
}

// PutKeyPolicy replaces the key policy by one that has been checked and bound,
// and returns the key as it is now.
func (s *Service) PutKeyPolicy(tx Tx, k *Key, policy string) (*Key, error) {
	return changeKey(tx, k, func(k *Key) {
		k.Policy = policy
		k.compile()
	})
}
