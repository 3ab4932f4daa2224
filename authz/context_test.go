package authz_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/policy"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/sts"
)

// conditions are conditions that must hold, or must not.
type conditions map[string]bool

// check asks whether each holds for a request: a guardrail with it is all that
// stands between the caller and the key.
func (c conditions) check(t *testing.T, g *gated, r *authz.Request, check authz.Check) {
	t.Helper()
	for condition, want := range c {
		text := document(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":` + condition + `}`)
		rail, err := policy.Parse([]byte(text), policy.SCP)
		if err != nil {
			t.Fatalf("%s: %v", condition, err)
		}
		gate := g.gate(authz.Guardrails{SCP: [][]*policy.Policy{{rail}}})
		d, err := gate.Decide(t.Context(), r, check)
		if err != nil || d.Allowed != want {
			t.Errorf("%s: %v %v, want %v", condition, d.Allowed, err, want)
		}
	}
}

func equals(key, value string) string { return `{"StringEquals":{"` + key + `":"` + value + `"}}` }
func missing(keys ...string) string {
	text := ""
	for i, key := range keys {
		if i > 0 {
			text += ","
		}
		text += `"` + key + `":"true"`
	}
	return `{"Null":{` + text + `}}`
}

// TestContext: sections 10 and 12, the condition keys of callers, sessions, keys
// and connections.
func TestContext(t *testing.T) {
	g := start(t)
	open := `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}`
	key := g.keySays(open)
	check := keyCheck("kms:DescribeKey", key)
	ann := g.user("ann", all, iam.Tag{Key: "dept", Value: "hr"})
	now := request(ann).Time

	t.Run("12 every call", func(t *testing.T) {
		conditions{
			`{"DateEquals":{"aws:CurrentTime":"` + now.UTC().Format(time.RFC3339) + `"}}`: true,
			`{"DateLessThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"}}`:                 false,
			`{"NumericEquals":{"aws:EpochTime":"1780000000"}}`:                            true,
			`{"Bool":{"aws:SecureTransport":"true"}}`:                                     true,
			`{"Bool":{"aws:SecureTransport":"false"}}`:                                    false,
			`{"IpAddress":{"aws:SourceIp":"10.1.0.0/16"}}`:                                true,
			`{"IpAddress":{"aws:SourceIp":"10.2.0.0/16"}}`:                                false,
			equals("aws:UserAgent", "aws-cli/2.9.19"):                                     true,
			equals("aws:Referer", "https://example.com/"):                                 true,
			equals("aws:RequestedRegion", region):                                         true,
			`{"Bool":{"aws:ViaAWSService":"false","aws:PrincipalIsAWSService":"false"}}`:  true,
			missing("aws:VpcSourceIp", "aws:SourceVpce", "kms:ViaService"):                true,
		}.check(t, g, request(ann), check)
		plain := &authz.Request{Caller: ann, Region: region, Time: now}
		conditions{
			missing("aws:SourceIp", "aws:UserAgent", "aws:Referer"): true,
			`{"Bool":{"aws:SecureTransport":"false"}}`:              true,
			`{"NotIpAddress":{"aws:SourceIp":"10.1.0.0/16"}}`:       true,
			`{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`:            false,
		}.check(t, g, plain, check)
		mapped := request(ann)
		mapped.Peer = netip.MustParseAddr("2001:db8::1")
		conditions{`{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}`: true}.check(t, g, mapped, check)
	})
	t.Run("12 keys", func(t *testing.T) {
		tagged := *key
		tagged.Tags = map[string]string{"Env": "prod"}
		conditions{
			equals("kms:CallerAccount", testkit.Account):   true,
			equals("kms:KeySpec", kms.SymmetricDefault):    true,
			equals("kms:KeyUsage", kms.EncryptDecrypt):     true,
			equals("kms:KeyOrigin", kms.OriginKMS):         true,
			`{"Bool":{"kms:MultiRegion":"false"}}`:         true,
			missing("kms:ResourceAliases"):                 true, // it has none
			equals("aws:ResourceAccount", testkit.Account): true,
			equals("aws:ResourceTag/env", "prod"):          true,
			equals("aws:ResourceTag/env", "test"):          false,
		}.check(t, g, request(ann), keyCheck("kms:DescribeKey", &tagged))
		conditions{
			equals("kms:CallerAccount", foreign):           true,
			equals("aws:PrincipalAccount", foreign):        true,
			equals("aws:ResourceAccount", testkit.Account): true,
		}.check(t, g, request(iam.Root(foreign)), keyCheck("kms:DescribeKey", g.keySays(`{"Effect":"Allow","Principal":{"AWS":"`+foreign+`"},"Action":"*","Resource":"*"}`)))
	})
	for name, c := range g.callers(ann) {
		t.Run("12 "+name, func(t *testing.T) {
			c.conditions.check(t, g, request(c.who), keyCheck("kms:DescribeKey", g.keySays(open)))
		})
	}
	t.Run("12 session by an OIDC token", func(t *testing.T) {
		with := g.sessionOf("pods", ann)
		session := *with.Session
		session.Provider, session.Context = "idp.example", map[string]string{"idp.example:sub": "pod-1"}
		with.Session = &session
		conditions{
			equals("aws:FederatedProvider", "idp.example"): true,
			equals("idp.example:sub", "pod-1"):             true,
			equals("idp.example:sub", "pod-2"):             false,
			missing("idp.example:aud"):                     true,
		}.check(t, g, request(with), keyCheck("kms:DescribeKey", g.keySays(open)))
	})
	t.Run("10.1 with MFA", func(t *testing.T) {
		with := ann
		with.Session = &iam.Session{Issued: now.Add(-time.Hour), MFA: true, MFAAt: now.Add(-90 * time.Second)}
		conditions{
			`{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`:          true,
			`{"NumericEquals":{"aws:MultiFactorAuthAge":"90"}}`:       true,
			`{"NumericLessThan":{"aws:MultiFactorAuthAge":"90"}}`:     false,
			`{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}`: false,
			missing("keyd:MFATouchPolicy"):                            true,
		}.check(t, g, request(with), check)
	})
	t.Run("10.1 by an attested security key", func(t *testing.T) {
		attested := conditions{
			equals("keyd:MFADeviceType", "PIV"):              true,
			equals("keyd:MFATouchPolicy", "always"):          true,
			`{"Bool":{"keyd:MFADeviceAttested":"true"}}`:     true,
			`{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`: true,
			equals("keyd:MFADeviceType", "TOTP"):             false,
		}
		with := ann
		with.Session = &iam.Session{Issued: now, MFA: true, MFAAt: now, MFAType: "PIV", MFAAttested: true, MFATouch: "always"}
		attested.check(t, g, request(with), check)
		given := check
		given.MFA = &authz.MFA{Type: "PIV", Attested: true, Touch: "always"}
		attested.check(t, g, request(ann), given) // the answer came with the request
		conditions{missing("keyd:MFADeviceType", "keyd:MFADeviceAttested", "keyd:MFATouchPolicy"): true}.check(t, g, request(ann), check)
	})
}

// sessionOf is a session of a new role.
func (g *gated) sessionOf(role string, by iam.Principal) iam.Principal {
	g.t.Helper()
	c, err := g.Sessions.AssumeRole(g.t.Context(), by, g.RoleTrusting(role, ""), sts.RoleSession{Name: "s1"})
	if err != nil {
		g.t.Fatal(err)
	}
	p, err := g.Sessions.Verify(g.t.Context(), c.AccessKeyID, string(c.Token))
	if err != nil {
		g.t.Fatal(err)
	}
	return p
}

type caller struct {
	who        iam.Principal
	conditions conditions
}

// callers are one of each kind, as their credentials prove them.
func (g *gated) callers(ann iam.Principal) map[string]caller {
	g.t.Helper()
	ctx := g.t.Context()
	role := g.RoleTrusting("ops", "", iam.Tag{Key: "dept", Value: "it"})
	g.Update(func(tx store.Tx) error {
		return g.Identities.PutInlinePolicy(tx, iam.Holder{Kind: iam.KindRole, Name: "ops"}, "p", document(all))
	})
	session := func(c *sts.Credentials, err error) iam.Principal {
		g.t.Helper()
		if err != nil {
			g.t.Fatal(err)
		}
		p, err := g.Sessions.Verify(ctx, c.AccessKeyID, string(c.Token))
		if err != nil {
			g.t.Fatal(err)
		}
		return p
	}
	const arn = "arn:aws:iam::" + testkit.Account
	noSession := missing("aws:TokenIssueTime", "aws:MultiFactorAuthPresent", "aws:MultiFactorAuthAge", "aws:SourceIdentity", "aws:FederatedProvider")
	noMFA := `{"Bool":{"aws:MultiFactorAuthPresent":"false"},"Null":{"aws:MultiFactorAuthAge":"true","aws:TokenIssueTime":"false"}}`
	return map[string]caller{
		"root user": {iam.Root(testkit.Account), conditions{
			equals("aws:PrincipalType", "Account"): true, equals("aws:userid", testkit.Account): true,
			equals("aws:PrincipalArn", arn+":root"): true, missing("aws:username"): true, noSession: true,
		}},
		"user": {ann, conditions{
			equals("aws:PrincipalType", "User"): true, equals("aws:userid", ann.ID): true, equals("aws:username", "ann"): true,
			equals("aws:PrincipalArn", arn+":user/ann"): true, equals("aws:PrincipalTag/dept", "hr"): true,
			equals("aws:PrincipalAccount", testkit.Account): true, noSession: true,
		}},
		"session of a user": {session(g.Sessions.UserSession(ctx, ann, 0, sts.MFA{})), conditions{
			equals("aws:PrincipalType", "User"): true, equals("aws:username", "ann"): true, equals("aws:PrincipalTag/dept", "hr"): true, noMFA: true,
		}},
		"session of a role": {session(g.Sessions.AssumeRole(ctx, ann, role, sts.RoleSession{Name: "s1", SourceIdentity: "ann@corp"})), conditions{
			equals("aws:PrincipalType", "AssumedRole"): true, equals("aws:userid", role.ID+":s1"): true, missing("aws:username"): true,
			equals("aws:PrincipalArn", arn+":role/team/ops"): true, equals("aws:PrincipalTag/dept", "it"): true,
			equals("aws:SourceIdentity", "ann@corp"): true, noMFA: true,
		}},
		"federated user": {session(g.Sessions.FederationToken(ctx, ann, sts.Federation{
			Name: "guest", Limits: sts.Limits{Policies: []string{document(all)}},
		})), conditions{
			equals("aws:PrincipalType", "FederatedUser"): true, equals("aws:userid", testkit.Account+":guest"): true,
			equals("aws:PrincipalArn", "arn:aws:sts::"+testkit.Account+":federated-user/guest"): true, missing("aws:username"): true, noMFA: true,
		}},
	}
}
