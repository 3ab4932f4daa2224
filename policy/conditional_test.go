package policy_test

import (
	"testing"

	"github.com/keyd-hsm/keyd/policy"
)

// TestConditional: a policy that looks into the context is known as one, however
// its text is escaped.
func TestConditional(t *testing.T) {
	for text, want := range map[string]bool{
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}`:                                                           false,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}}`:       true,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Cond\u0069tion":{"Bool":{"aws:SecureTransport":"true"}}}}`:  true,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:eu-1:111122223333:key/${aws:username}"}}`:           true,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","NotResource":["arn:aws:kms:eu-1:111122223333:key/\u0024{aws:username}"]}}`: true,
	} {
		p, err := policy.Load("p", []byte(text), policy.Identity)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&policy.Policies{Identity: []*policy.Policy{nil, p}}).Conditional(); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}
