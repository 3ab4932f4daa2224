package authz

import (
	"time"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/policy"
)

// Condition keys that every request or key has (section 12).
var (
	keyCurrentTime            = policy.NewConditionKey("aws:CurrentTime")
	keyEpochTime              = policy.NewConditionKey("aws:EpochTime")
	keySecureTransport        = policy.NewConditionKey("aws:SecureTransport")
	keyViaAWSService          = policy.NewConditionKey("aws:ViaAWSService")
	keyPrincipalIsAWSService  = policy.NewConditionKey("aws:PrincipalIsAWSService")
	keyPrincipalType          = policy.NewConditionKey("aws:PrincipalType")
	keySourceIP               = policy.NewConditionKey("aws:SourceIp")
	keyUserAgent              = policy.NewConditionKey("aws:UserAgent")
	keyReferer                = policy.NewConditionKey("aws:Referer")
	keyRequestedRegion        = policy.NewConditionKey("aws:RequestedRegion")
	keyPrincipalAccount       = policy.NewConditionKey("aws:PrincipalAccount")
	keyUserID                 = policy.NewConditionKey("aws:userid")
	keyUsername               = policy.NewConditionKey("aws:username")
	keyPrincipalArn           = policy.NewConditionKey("aws:PrincipalArn")
	keyResourceAccount        = policy.NewConditionKey("aws:ResourceAccount")
	keyTokenIssueTime         = policy.NewConditionKey("aws:TokenIssueTime")
	keyMultiFactorAuthPresent = policy.NewConditionKey("aws:MultiFactorAuthPresent")
	keyMultiFactorAuthAge     = policy.NewConditionKey("aws:MultiFactorAuthAge")
	keyMFADeviceType          = policy.NewConditionKey("keyd:MFADeviceType")
	keyMFADeviceAttested      = policy.NewConditionKey("keyd:MFADeviceAttested")
	keyMFATouchPolicy         = policy.NewConditionKey("keyd:MFATouchPolicy")
	keySourceIdentity         = policy.NewConditionKey("aws:SourceIdentity")
	keyFederatedProvider      = policy.NewConditionKey("aws:FederatedProvider")

	keyCallerAccount      = policy.NewConditionKey("kms:CallerAccount")
	keyKeyOrigin          = policy.NewConditionKey("kms:KeyOrigin")
	keyKeySpec            = policy.NewConditionKey("kms:KeySpec")
	keyKeyUsage           = policy.NewConditionKey("kms:KeyUsage")
	keyMultiRegion        = policy.NewConditionKey("kms:MultiRegion")
	keyMultiRegionKeyType = policy.NewConditionKey("kms:MultiRegionKeyType")
	keyResourceAliases    = policy.NewConditionKey("kms:ResourceAliases")
)

// facts takes the condition keys of a check: into a context, or for a simulation
// into a list.
type facts struct {
	context *policy.Context // nil: the list
	list    []policy.Fact
}

func (f *facts) add(k policy.ConditionKey, v policy.Value) {
	if f.context != nil {
		f.context.Add(k, v)
		return
	}
	f.list = append(f.list, policy.Fact{Key: k.Name(), Value: v})
}

func (f *facts) named(name string, v policy.Value) {
	if f.context != nil {
		f.context.AddNamed(name, v)
		return
	}
	f.list = append(f.list, policy.Fact{Key: name, Value: v})
}

// text adds a value unless it is empty: then there is no such key.
func (f *facts) text(k policy.ConditionKey, text string) {
	if text != "" {
		f.add(k, policy.Text(text))
	}
}

func (f *facts) tags(prefix string, tags map[string]string) {
	for key, value := range tags {
		f.named(prefix+key, policy.Text(value))
	}
}

// context makes the context of a check.
func (r *Request) context(c Check, owner string) *policy.Context {
	n := 31 + len(c.Facts) + len(r.Caller.Tags)
	if c.Key != nil {
		n += len(c.Key.Tags)
	}
	f := facts{context: policy.NewContextOf(n)}
	r.gather(&f, c, owner)
	return f.context
}

// facts lists the condition keys of a check.
func (r *Request) facts(c Check, owner string) []policy.Fact {
	var f facts
	r.gather(&f, c, owner)
	return f.list
}

func (r *Request) gather(f *facts, c Check, owner string) {
	r.gatherCall(f)
	f.add(keyResourceAccount, policy.Text(owner))
	f.text(keyRequestedRegion, r.in(c))
	gatherCaller(f, r.Caller)
	gatherSession(f, r.Caller.Session, r.Time, c.MFA)
	if c.Key != nil {
		f.add(keyCallerAccount, policy.Text(r.Caller.Account))
		gatherKey(f, c.Key)
	}
	for _, x := range c.Facts {
		value := policy.List(x.Values)
		if !x.List && len(x.Values) == 1 {
			value = policy.Text(x.Values[0])
		}
		f.named(x.Key, value)
	}
}

// gatherCall adds what the call itself says.
func (r *Request) gatherCall(f *facts) {
	f.add(keyCurrentTime, policy.Time(r.Time))
	f.add(keyEpochTime, policy.Int(r.Time.Unix()))
	f.add(keySecureTransport, policy.Bool(r.TLS))
	f.add(keyViaAWSService, policy.Bool(false))
	f.add(keyPrincipalIsAWSService, policy.Bool(false))
	if r.Peer.IsValid() {
		f.add(keySourceIP, policy.Addr(r.Peer))
	}
	f.text(keyUserAgent, r.UserAgent)
	f.text(keyReferer, r.Referer)
}

func gatherCaller(f *facts, p iam.Principal) {
	f.add(keyPrincipalType, policy.Text(principalType(p.Type)))
	f.text(keyPrincipalAccount, p.Account)
	f.text(keyUserID, p.ID)
	f.text(keyUsername, p.Name)
	if p.Type == iam.TypeAssumedRole {
		f.text(keyPrincipalArn, p.Parent) // rule 2.1: the role's, for its sessions
	} else {
		f.text(keyPrincipalArn, p.ARN)
	}
	f.tags("aws:PrincipalTag/", p.Tags)
}

// gatherSession adds what temporary credentials say (rule 10.1), and what a factor
// that came with the request itself does (rule 10.2).
func gatherSession(f *facts, s *iam.Session, now time.Time, given *MFA) {
	switch {
	case given != nil:
		f.add(keyMultiFactorAuthPresent, policy.Bool(true))
		f.add(keyMultiFactorAuthAge, policy.Int(0))
		gatherFactor(f, *given)
	case s != nil:
		f.add(keyMultiFactorAuthPresent, policy.Bool(s.MFA))
		if s.MFA {
			f.add(keyMultiFactorAuthAge, policy.Int(int64(now.Sub(s.MFAAt)/time.Second)))
			gatherFactor(f, MFA{s.MFAType, s.MFAAttested, s.MFATouch})
		}
	}
	if s == nil {
		return
	}
	f.add(keyTokenIssueTime, policy.Time(s.Issued))
	f.text(keySourceIdentity, s.SourceIdentity)
	f.text(keyFederatedProvider, s.Provider)
	f.tags("", s.Context)
}

// gatherFactor adds which factor was used.
func gatherFactor(f *facts, m MFA) {
	f.text(keyMFADeviceType, m.Type)
	f.add(keyMFADeviceAttested, policy.Bool(m.Attested))
	f.text(keyMFATouchPolicy, m.Touch)
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

// gatherKey adds what every operation on a key can be asked about.
func gatherKey(f *facts, k *kms.Key) {
	f.add(keyKeyOrigin, policy.Text(k.Origin))
	f.add(keyKeySpec, policy.Text(k.Spec))
	f.add(keyKeyUsage, policy.Text(k.Usage))
	f.add(keyMultiRegion, policy.Bool(k.MultiRegion))
	if k.MultiRegion {
		f.add(keyMultiRegionKeyType, policy.Text(k.MultiRegionType()))
	}
	f.add(keyResourceAliases, policy.List(k.Aliases()))
	f.tags("aws:ResourceTag/", k.Tags)
}
