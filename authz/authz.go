// Package authz is the one gate: every operation passes it, and it says why it
// refuses.
//
// Callers need one call: [Gate.Decide], with who calls, the facts of the request,
// and the checks of the operation, all of which must pass. The gate gathers the
// policies that apply to each check (of the key or role it is about, of the
// caller, its boundary and session, and the guardrails of the configuration) and
// asks package policy. The default is to deny; a policy that cannot be read
// denies too.
//
// A Gate decides by what is stored, and is safe for concurrent use. Rule numbers
// are those of the authorization rules in docs/authorization.md.
package authz

import (
	"context"
	"fmt"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/policy"
	"github.com/keyd-hsm/keyd/sts"
)

// A Check is one question of an operation: may the caller do Action on Resource?
type Check struct {
	Action   string // "kms:Encrypt"
	Resource string // an ARN, or "*" for an action without a resource
	// Key is the key whose key policy applies, Trust the role whose trust policy
	// does. At most one is set; with none, identity policies alone decide.
	Key    *kms.Key
	Trust  *iam.Role
	Public bool // always allowed, even under an explicit deny: GetCallerIdentity
	// Child is what the grant to be made permits; of kms:CreateGrant only.
	Child *kms.GrantScope
	// Retires is the grant to be retired: who may, the grant says, and the policy
	// of its Key does not count (rule 7.7).
	Retires *kms.Grant
	MFA     *MFA   // what a right code or signature that came with the request proved; nil if none came
	Facts   []Fact // condition keys of this check, beside those of the request
	Region  string // where the check is about something in another region than the request's
}

// MFA is a factor that the caller proved in the request itself, in the words of
// package mfa. Touch is "" where the device did not attest a touch policy.
type MFA struct {
	Type     string
	Attested bool
	Touch    string
}

// A Fact is a condition key with its values, as "iam:PolicyARN" or
// "aws:ResourceTag/dept"; see section 12 of the authorization rules. List says
// that the key is one of several values, as aws:TagKeys is.
type Fact struct {
	Key    string
	Values []string
	List   bool
}

// Decision is the gate's answer. The zero value denies.
type Decision struct {
	Allowed bool
	// Reason is why not, as AWS words it; empty when allowed.
	Reason string
	// Check is the one that decided: the first refused, or the last allowed.
	Check Check
	// Policy is what the policies said of it.
	Policy policy.Decision
}

// Guardrails are the policies of the configuration that limit everybody: service
// control policies by level, root first, and resource control policies likewise.
type Guardrails struct{ SCP, RCP [][]*policy.Policy }

// Gate decides for one account.
type Gate struct {
	account    string
	iam        *iam.Service
	keys       *kms.Service
	guardrails Guardrails
	sessions   policy.Cache
}

// New makes the gate of an account.
func New(account string, identities *iam.Service, keys *kms.Service, g Guardrails) *Gate {
	return &Gate{
		account: account, iam: identities, keys: keys, guardrails: g,
		sessions: policy.Cache{Name: "session policy", Kind: policy.Session},
	}
}

// Decide allows when there is at least one check and every one is allowed. The
// first that is not gives the reason. An error means that what applies could not
// be found out; it denies.
func (g *Gate) Decide(ctx context.Context, r *Request, checks ...Check) (Decision, error) {
	if len(checks) == 0 {
		return Decision{Reason: "no check"}, fmt.Errorf("gate: an operation without a check")
	}
	var d Decision
	for _, c := range checks {
		var err error
		if d, err = g.decide(ctx, r, c); err != nil || !d.Allowed {
			return d, err
		}
	}
	return d, nil
}

func (g *Gate) decide(ctx context.Context, r *Request, c Check) (Decision, error) {
	if c.Public {
		return Decision{Allowed: true, Check: c}, nil
	}
	question, policies, err := g.gather(ctx, r, c)
	if err != nil {
		return Decision{Check: c}, err
	}
	found := policy.Decide(question, policies)
	return Decision{
		Allowed: found.Verdict == policy.Allowed,
		Reason:  found.Denial(question),
		Check:   c,
		Policy:  found,
	}, nil
}

// Explain lists the statements that match a check, whatever the verdict.
func (g *Gate) Explain(ctx context.Context, r *Request, c Check) ([]policy.Match, error) {
	question, policies, err := g.gather(ctx, r, c)
	if err != nil {
		return nil, err
	}
	return policy.Explain(question, policies), nil
}

// gather finds the policies that apply to a check and puts the question.
func (g *Gate) gather(ctx context.Context, r *Request, c Check) (*policy.Request, *policy.Policies, error) {
	in := &policy.Policies{SCP: g.guardrails.SCP}
	if err := g.gatherCaller(ctx, r.Caller, in); err != nil {
		return nil, nil, err
	}
	target := g.gatherTarget(r, c, in)
	var err error
	if in.Grant, err = g.grantClass(ctx, r.Caller, c); err != nil {
		return nil, nil, err
	}
	var facts *policy.Context
	if in.Conditional() { // most requests are decided without a look at them
		facts = r.context(c, target.Account)
	}
	return policy.NewRequest(principal(r.Caller), target, facts), in, nil
}

// gatherTarget finds the policies of what a check is about.
func (g *Gate) gatherTarget(r *Request, c Check, in *policy.Policies) policy.Target {
	target := policy.Target{Action: c.Action, Resource: c.Resource, Account: g.account, Region: r.in(c)}
	switch {
	case c.Retires != nil:
		target.Account, target.Region = c.Key.Account, c.Key.Region
	case c.Key != nil:
		in.Resource, in.RCP = c.Key.CompiledPolicy(), g.guardrails.RCP
		target.Account, target.Region = c.Key.Account, c.Key.Region
	case c.Trust != nil:
		in.Resource, in.RCP = trust(c.Trust), g.guardrails.RCP
		target.Account = c.Trust.Account
	default:
		in.IdentityOnly = true
	}
	return target
}

// gatherCaller finds the policies of the caller. An error denies: no policy is
// ever left out (rule 1.4).
func (g *Gate) gatherCaller(ctx context.Context, p iam.Principal, in *policy.Policies) error {
	if p.Type == sts.TypeWebIdentity {
		return nil // nobody's yet: the trust policy alone decides
	}
	own, err := g.iam.PoliciesOf(ctx, p)
	if err != nil {
		return err
	}
	in.Identity, in.Boundary = own.Identity, own.Boundary
	if p.Session == nil {
		return nil
	}
	for _, text := range p.Session.Policies {
		limit, err := g.sessions.Load(text)
		if err != nil {
			return err
		}
		in.Session = append(in.Session, limit)
	}
	for _, arn := range p.Session.PolicyARNs {
		limit, err := g.iam.Managed(ctx, arn, policy.Session)
		if err != nil {
			return err
		}
		in.Session = append(in.Session, limit)
	}
	return nil
}

// trust is a role's trust policy, ready to be asked.
func trust(r *iam.Role) *policy.Policy {
	p, err := policy.Load("trust policy of "+r.Name, []byte(r.TrustBound), policy.Trust)
	if err != nil {
		return policy.Unreadable("trust policy of "+r.Name, policy.Trust)
	}
	return p
}

// principal is the caller as the policy language knows it.
func principal(p iam.Principal) policy.Principal {
	q := policy.Principal{Account: p.Account, ARN: p.ARN, ParentARN: p.Parent, ID: p.ID, ParentID: p.ParentID}
	switch p.Type {
	case iam.TypeRoot:
		q.Kind = policy.Root
	case iam.TypeUser:
		q.Kind = policy.User
	case iam.TypeAssumedRole:
		q.Kind = policy.RoleSession
	case iam.TypeFederatedUser:
		q.Kind = policy.FederatedUser
	case sts.TypeWebIdentity:
		q.Kind, q.Provider = policy.WebIdentity, p.Session.Provider
	}
	return q
}
