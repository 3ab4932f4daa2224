package authz

import (
	"net/netip"
	"time"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/policy"
)

// Request is what all checks of one call have in common. It belongs to the
// goroutine of the call.
type Request struct {
	Caller iam.Principal
	Region string
	Time   time.Time // by the appliance's clock
	// Peer is the address of the TCP peer; invalid on the Unix socket, where
	// conditions on aws:SourceIp find no such key.
	Peer      netip.Addr
	TLS       bool
	UserAgent string
	Referer   string

	shared []policy.Fact // by all checks; made once
}

// facts gives the condition keys of one check.
func (r *Request) facts(c Check, owner string) []policy.Fact {
	if r.shared == nil {
		r.shared = r.common()
	}
	facts := make([]policy.Fact, len(r.shared), len(r.shared)+len(c.Facts)+12)
	copy(facts, r.shared)
	facts = append(facts, policy.Fact{Key: "aws:resourceaccount", Value: policy.Text(owner)})
	if c.Key != nil {
		facts = appendKey(facts, c.Key, r.Caller.Account)
	}
	for _, f := range c.Facts {
		value := policy.List(f.Values)
		if !f.List && len(f.Values) == 1 {
			value = policy.Text(f.Values[0])
		}
		facts = append(facts, policy.Fact{Key: f.Key, Value: value})
	}
	return facts
}

// common are the keys of section 12 that do not depend on the check.
func (r *Request) common() []policy.Fact {
	p := r.Caller
	facts := []policy.Fact{
		{Key: "aws:currenttime", Value: policy.Time(r.Time)},
		{Key: "aws:epochtime", Value: policy.Int(r.Time.Unix())},
		{Key: "aws:securetransport", Value: policy.Bool(r.TLS)},
		{Key: "aws:viaawsservice", Value: policy.Bool(false)},
		{Key: "aws:principalisawsservice", Value: policy.Bool(false)},
		{Key: "aws:principaltype", Value: policy.Text(principalType(p.Type))},
	}
	add := func(key, text string) {
		if text != "" {
			facts = append(facts, policy.Fact{Key: key, Value: policy.Text(text)})
		}
	}
	if r.Peer.IsValid() {
		facts = append(facts, policy.Fact{Key: "aws:sourceip", Value: policy.Addr(r.Peer)})
	}
	add("aws:useragent", r.UserAgent)
	add("aws:referer", r.Referer)
	add("aws:requestedregion", r.Region)
	add("aws:principalaccount", p.Account)
	add("aws:userid", p.ID)
	add("aws:username", p.Name)
	arn := p.ARN
	if p.Type == iam.TypeAssumedRole {
		arn = p.Parent // rule 2.1: the role's, for its sessions
	}
	add("aws:principalarn", arn)
	for key, value := range p.Tags {
		facts = append(facts, policy.Fact{Key: "aws:PrincipalTag/" + key, Value: policy.Text(value)})
	}
	return appendSession(facts, p.Session, r.Time)
}

// appendSession adds what temporary credentials say (rule 10.1).
func appendSession(facts []policy.Fact, s *iam.Session, now time.Time) []policy.Fact {
	if s == nil {
		return facts
	}
	facts = append(facts,
		policy.Fact{Key: "aws:tokenissuetime", Value: policy.Time(s.Issued)},
		policy.Fact{Key: "aws:multifactorauthpresent", Value: policy.Bool(s.MFA)})
	if s.MFA {
		age := int64(now.Sub(s.MFAAt) / time.Second)
		facts = append(facts, policy.Fact{Key: "aws:multifactorauthage", Value: policy.Int(age)})
	}
	if s.SourceIdentity != "" {
		facts = append(facts, policy.Fact{Key: "aws:sourceidentity", Value: policy.Text(s.SourceIdentity)})
	}
	if s.Provider != "" {
		facts = append(facts, policy.Fact{Key: "aws:federatedprovider", Value: policy.Text(s.Provider)})
	}
	for key, value := range s.Context {
		facts = append(facts, policy.Fact{Key: key, Value: policy.Text(value)})
	}
	return facts
}

// principalType is the value of aws:PrincipalType.
func principalType(t string) string {
	switch t {
	case iam.TypeRoot:
		return "Account"
	case iam.TypeUser:
		return "User"
	}
	return t
}

// appendKey adds what every operation on a key can be asked about.
func appendKey(facts []policy.Fact, k *kms.Key, caller string) []policy.Fact {
	facts = append(facts,
		policy.Fact{Key: "kms:calleraccount", Value: policy.Text(caller)},
		policy.Fact{Key: "kms:keyorigin", Value: policy.Text(k.Origin)},
		policy.Fact{Key: "kms:keyspec", Value: policy.Text(k.Spec)},
		policy.Fact{Key: "kms:keyusage", Value: policy.Text(k.Usage)},
		policy.Fact{Key: "kms:multiregion", Value: policy.Bool(false)},
		policy.Fact{Key: "kms:resourcealiases", Value: policy.List(k.Aliases())})
	for key, value := range k.Tags {
		facts = append(facts, policy.Fact{Key: "aws:ResourceTag/" + key, Value: policy.Text(value)})
	}
	return facts
}
