package iam

import (
	"errors"
	"unicode"

	"github.com/keyd-hsm/keyd/policy"
)

// Sizes of policies in characters, white space not counted, as AWS counts them.
// AWS's own figures are smaller: 6,144 for a managed policy, 2,048 to 10,240 for
// all inline policies of an entity together.
const (
	maxDocument = 20_480
	maxInline   = 102_400
)

// parseDocument reads a policy that somebody wants to save, and refuses it in
// AWS's words.
func parseDocument(document string, kind policy.Kind) (*policy.Policy, error) {
	p, err := policy.Parse([]byte(document), kind)
	var malformed *policy.Error
	switch {
	case errors.As(err, &malformed):
		return nil, refuse(CodeMalformed, "%s", malformed.Reason)
	case errors.Is(err, policy.ErrTooLarge):
		return nil, refuse(CodeLimitExceeded, "Cannot exceed quota for PolicySize: %d", maxDocument)
	}
	return p, err
}

// checkDocument is parseDocument for a policy that grants, with its limit.
func checkDocument(document string) error {
	if _, err := parseDocument(document, policy.Identity); err != nil {
		return err
	}
	if documentSize(document) > maxDocument {
		return refuse(CodeLimitExceeded, "Cannot exceed quota for PolicySize: %d", maxDocument)
	}
	return nil
}

// documentSize is the number of characters that count.
func documentSize(document string) int {
	n := 0
	for _, c := range document {
		if !unicode.IsSpace(c) {
			n++
		}
	}
	return n
}
