// Package authz is the one gate: every operation passes it, and it says why it
// refuses.
//
// Callers need one call: [Gate.Decide], with who calls and the checks of the
// operation, all of which must pass. The default is to deny. Until policies are
// evaluated there is one principal, the account's root user, and one key
// policy, the default one, which allows that user everything on the account's
// own keys; the gate decides from the policy that stands in the key all the
// same.
//
// A Gate holds no state and is safe for concurrent use.
package authz

import (
	"fmt"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

// A Check is one question of an operation: may the caller do Action on Resource?
type Check struct {
	Action   string   // "kms:Encrypt"
	Resource string   // an ARN, or "*" for an action without a resource
	Key      *kms.Key // the key whose policy applies; nil if none does
	Public   bool     // always allowed, even to those who may nothing: GetCallerIdentity
}

// Decision is the gate's answer. The zero value denies.
type Decision struct {
	Allowed bool
	Reason  string // why not, as AWS words it; empty when allowed
}

// Gate decides for one account.
type Gate struct{ account string }

// New makes the gate of an account.
func New(account string) *Gate { return &Gate{account: account} }

// Decide allows when there is at least one check and every one is allowed. The
// first that is not gives the reason.
func (g *Gate) Decide(caller iam.Principal, checks ...Check) Decision {
	if len(checks) == 0 {
		return deny(caller, Check{Action: "*", Resource: "*"}, "because the operation names no check")
	}
	for _, c := range checks {
		if d := g.decide(caller, c); !d.Allowed {
			return d
		}
	}
	return Decision{Allowed: true}
}

func (g *Gate) decide(caller iam.Principal, c Check) Decision {
	switch {
	case c.Public:
		return Decision{Allowed: true}
	case caller != iam.Root(g.account):
		return deny(caller, c, "because no identity-based policy allows the "+c.Action+" action")
	case c.Key != nil && c.Key.Account != g.account:
		return deny(caller, c, "because no resource-based policy allows the "+c.Action+" action")
	}
	return Decision{Allowed: true}
}

func deny(caller iam.Principal, c Check, why string) Decision {
	who := caller.ARN
	if who == "" {
		who = "anonymous"
	}
	return Decision{Reason: fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s",
		who, c.Action, c.Resource, why)}
}
