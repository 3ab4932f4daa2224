package iam

import (
	"errors"
	"unicode"

	"github.com/keyd-hsm/keyd/policy"
)

// parseDocument reads a policy that somebody wants to save, and refuses it in
// AWS's words.
func (s *Service) parseDocument(document string, kind policy.Kind) (*policy.Policy, error) {
	p, err := policy.Parse([]byte(document), kind)
	var malformed *policy.Error
	switch {
	case errors.As(err, &malformed):
		return nil, refuse(CodeMalformed, "%s", malformed.Reason)
	case errors.Is(err, policy.ErrTooLarge):
		return nil, refuse(CodeLimitExceeded, "Cannot exceed quota for PolicySize: %d", s.limits.PolicySize)
	}
	return p, err
}

// checkDocument is parseDocument for a policy that grants, with its limit.
func (s *Service) checkDocument(document string) error {
	if _, err := s.parseDocument(document, policy.Identity); err != nil {
		return err
	}
	if documentSize(document) > s.limits.PolicySize {
		return refuse(CodeLimitExceeded, "Cannot exceed quota for PolicySize: %d", s.limits.PolicySize)
	}
	return nil
}

// documentSize is the number of characters that count: white space does not, as
// AWS has it.
func documentSize(document string) int {
	n := 0
	for _, c := range document {
		if !unicode.IsSpace(c) {
			n++
		}
	}
	return n
}
