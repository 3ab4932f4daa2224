package policy_test

import (
	"errors"
	"testing"

	"github.com/keyd-hsm/keyd/policy"
)

// refusal is the reason for which a policy is refused, empty if it is not.
func refusal(t *testing.T, kind policy.Kind, text string) string {
	t.Helper()
	_, err := policy.Parse([]byte(text), kind)
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*policy.Error](err)
	if !ok {
		t.Fatalf("%s: %v", text, err)
	}
	return e.Reason
}

func TestStatements(t *testing.T) {
	t.Run("3.1 elements", testElements)
	t.Run("3.1 place of a fault", func(t *testing.T) {
		_, err := policy.Parse([]byte("{\n \"Version\": \"2012-10-17\",\n \"é\": \"Effect\", \"x\": 1}"), policy.Identity)
		if e, ok := errors.AsType[*policy.Error](err); !ok || e.Line != 3 || e.Column != 5 {
			t.Errorf("%v", err)
		}
		p := load(t, policy.Identity, "{\"Statement\": [\n  "+allowKMS+",\n \t"+denyEncrypt+"]}")
		for i, want := range [][2]int{{2, 3}, {3, 3}} {
			if s := p.Statements[i]; s.Line != want[0] || s.Column != want[1] || s.Index != i || s.Policy != "test" {
				t.Errorf("statement %d stands in %q at %d:%d", s.Index, s.Policy, s.Line, s.Column)
			}
		}
	})
	t.Run("3.2 no effect without action or resource", func(t *testing.T) {
		for _, effect := range []string{"Allow", "Deny"} {
			for _, s := range []string{
				`{"Effect":"` + effect + `","Principal":"*","Action":"kms:*"}`, `{"Effect":"` + effect + `","Principal":"*","Resource":"*"}`,
				`{"Effect":"` + effect + `","Principal":"*","Action":[],"Resource":"*"}`, `{"Effect":"` + effect + `","Principal":"*","NotAction":[],"Resource":"*"}`,
			} {
				if r := refusal(t, policy.Key, document(s)); r != "" {
					t.Errorf("%s: %s", s, r)
				}
				situation{key: s}.want(t, policy.ImplicitlyDenied)
			}
		}
		trust := `{"Effect":"Allow","Principal":{"AWS":"` + alice + `"},"Action":"sts:AssumeRole"}`
		situation{action: "sts:AssumeRole", resource: ops, trust: trust}.want(t, policy.Allowed)
	})
	t.Run("3.3 resource of a key policy", func(t *testing.T) {
		on := func(resource string) string {
			return `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"` + resource + `"}`
		}
		situation{key: on("*")}.want(t, policy.Allowed)
		situation{key: on(keyARN)}.want(t, policy.Allowed)
		situation{key: on(keyARN + "x")}.want(t, policy.ImplicitlyDenied)
	})
	t.Run("3.4 action", func(t *testing.T) {
		check(t, []truth{
			{`"Action":"KMS:encrYPT"`, nil, true}, {`"Action":"kms:Enc*t"`, nil, true}, {`"Action":"kms:Encryp?"`, nil, true},
			{`"Action":"kms:Encrypt?"`, nil, false}, {`"Action":"*"`, nil, true}, {`"Action":"k*:Encrypt"`, nil, false},
			{`"Action":"*:Encrypt"`, nil, false}, {`"Action":"*:*"`, nil, false}, {`"Action":"kms"`, nil, false}, {`"Action":"**"`, nil, false},
			{`"NotAction":"kms:Decrypt"`, nil, true}, {`"NotAction":["iam:*","kms:E*"]`, nil, false}, {`"Action":["a:b","kms:encrypt"]`, nil, true},
		})
	})
	t.Run("3.5 resource", testResources)
	t.Run("3.6 request resource", func(t *testing.T) {
		create := func(resource string) situation {
			return situation{action: "kms:CreateKey", resource: "*", identityOnly: true, identity: statement("Allow", `"Resource":"`+resource+`"`)}
		}
		for _, yes := range []string{"*", "arn:aws:kms:us-east-1:111122223333:*", "arn:aws:kms:*:*:*"} {
			create(yes).want(t, policy.Allowed)
		}
		for _, no := range []string{"arn:aws:kms:us-east-1:111122223333:key/*", "arn:aws:kms:eu-west-1:111122223333:*", "arn:aws:kms:us-east-1:444455556666:*", "arn:aws:iam::*:*", keyARN} {
			create(no).want(t, policy.ImplicitlyDenied)
		}
		alias := situation{key: named("Allow", root), identity: statement("Allow", `"Resource":"arn:aws:kms:us-east-1:111122223333:alias/a"`)}
		alias.want(t, policy.ImplicitlyDenied) // the alias grants nothing on the key
	})
	t.Run("3.8 cross-account operations", func(t *testing.T) {
		s := situation{caller: bob, key: named("Allow", bob), identity: allowAll}
		for action, want := range map[string]policy.Verdict{
			"kms:Encrypt": policy.Allowed, "kms:GetPublicKey": policy.Allowed, "kms:ListGrants": policy.Allowed, "kms:ReEncryptTo": policy.Allowed,
			"kms:PutKeyPolicy": policy.ImplicitlyDenied, "kms:ScheduleKeyDeletion": policy.ImplicitlyDenied, "kms:TagResource": policy.ImplicitlyDenied, "iam:GetUser": policy.ImplicitlyDenied,
		} {
			s.action = action
			s.want(t, want)
		}
		situation{caller: bob, action: "kms:Encrypt", identity: allowAll, identityOnly: true}.want(t, policy.ImplicitlyDenied)
	})
}

func testElements(t *testing.T) {
	for text, want := range map[string]string{
		document(allowKMS): "",
		`{"Version":"2012-10-17","Version":"2012-10-17","Statement":` + allowKMS + `}`:                            "Syntax errors in policy.",
		document(`{"Effect":"Allow","Effect":"Allow","Action":"a:b","Resource":"*"}`):                             "Syntax errors in policy.",
		document(`{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"Bool":{"a":"true","a":"true"}}}`): "Syntax errors in policy.",
		document(allowKMS) + "x": "Syntax errors in policy.", document(allowKMS) + "{}": "Syntax errors in policy.", "": "Syntax errors in policy.", "null": "Syntax errors in policy.",
		document(`{"effect":"Allow","Action":"a:b","Resource":"*"}`):                                       "Syntax errors in policy.",
		document(`{"Effect":"Allow","Action":"a:b","Resource":null}`):                                      "Syntax errors in policy.",
		document(`{"Effect":"Allow","Action":"a:b","Resource":"\ud800"}`):                                  "Syntax errors in policy.",
		document(statement("Allow", condition("StringFoo", "a", `"b"`))):                                   "Syntax errors in policy.",
		document(statement("Allow", condition("NullIfExists", "a", `"true"`))):                             "Syntax errors in policy.",
		document(statement("Allow", condition("NumericEquals", "a", `"1e3"`))):                             "The policy failed legacy parsing",
		document(statement("Allow", condition("Bool", "a", `"${aws:username}"`))):                          "The policy failed legacy parsing",
		document(statement("Allow", condition("IpAddress", "a", `"10.0.0.0/33"`))):                         "The policy failed legacy parsing",
		document(statement("Allow", condition("BinaryEquals", "a", `"?"`))):                                "The policy failed legacy parsing",
		document(statement("Allow", `"Principal":"*"`)):                                                    "Policy document should not specify a principal.",
		document(`{"Effect":"Allow","Action":"*:Encrypt","Resource":"*"}`):                                 "Vendor * is not valid",
		document(`{"Effect":"Allow","Action":"a:b","Resource":"arn:aws:k*:us-east-1:111122223333:key/a"}`): "Resource vendor must be fully qualified and cannot contain regexes.",
	} {
		if got := refusal(t, policy.Identity, text); got != want {
			t.Errorf("%s\n got %q\nwant %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}`:                "",
		`{"Effect":"Allow","Action":"sts:AssumeRole"}`:                                "Missing required field Principal",
		`{"Effect":"Allow","Principal":{},"Action":"sts:AssumeRole"}`:                 "Missing required field Principal",
		`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}`: "Has prohibited field Resource",
		`{"Effect":"Allow","Principal":"*","Action":"kms:Encrypt"}`:                   "AssumeRole policy may only specify STS AssumeRole actions.",
		`{"Effect":"Allow","Principal":"*","Action":"*"}`:                             "AssumeRole policy may only specify STS AssumeRole actions.",
		`{"Effect":"Allow","Principal":"` + alice + `","Action":"sts:AssumeRole"}`:    "Invalid principal in policy: " + alice,
	} {
		if got := refusal(t, policy.Trust, `{"Statement":`+text+`}`); got != want {
			t.Errorf("trust policy %s\n got %q\nwant %q", text, got, want)
		}
	}
	for _, kind := range []policy.Kind{policy.Identity, policy.Boundary, policy.Session, policy.SCP} {
		if got := refusal(t, kind, `{"Statement":`+allowKMS+`}`); got != "Policy document must be version 2012-10-17 or greater." {
			t.Errorf("%v without a version: %q", kind, got)
		}
	}
}

func testResources(t *testing.T) {
	const region = "arn:aws:kms:us-east-1:111122223333:"
	check(t, []truth{
		{`"Resource":"` + keyARN + `"`, nil, true}, {`"Resource":"` + region + `key/1234*"`, nil, true}, {`"Resource":"` + region + `*"`, nil, true},
		{`"Resource":"` + region + `key/1234ABCD*"`, nil, false}, {`"Resource":"arn:aws:kms:*:key/1234*"`, nil, false}, // * stays in its segment
		{`"Resource":"arn:aws:kms:us-east-?:111122223333:key/*"`, nil, true}, {`"Resource":"arn:aws:kms:us*:key/1234abcd-12ab-34cd-56ef-1234567890ab"`, nil, false},
		{`"Resource":"arn:aws:kms"`, nil, true}, {`"Resource":"arn:aws:kms:us-east-1"`, nil, true}, {`"Resource":"arn:aws:s3"`, nil, false},
		{`"NotResource":"` + region + `key/ffff*"`, nil, true}, {`"NotResource":"` + region + `key/1*"`, nil, false},
		{`"Resource":["` + region + `alias/a","` + keyARN + `"]`, nil, true}, {`"Resource":[]`, nil, false},
	})
	inKey := func(resource string) situation {
		return situation{key: `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"` + resource + `"}`}
	}
	inKey("arn:aws:kms").want(t, policy.ImplicitlyDenied)
	inKey("arn:aws:kms:*").want(t, policy.Allowed)
	colons := situation{action: "logs:Get", resource: "arn:aws:logs:us-east-1:111122223333:log-group:a:b", identityOnly: true}
	colons.identity = `{"Effect":"Allow","Action":"logs:*","Resource":"arn:aws:logs:us-east-1:111122223333:log-group:*"}`
	colons.want(t, policy.Allowed) // the last segment keeps its colons
	rcp := `{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"arn:aws:kms"}`
	if got := refusal(t, policy.RCP, document(rcp)); got != "The policy failed legacy parsing" {
		t.Errorf("short ARN in an RCP: %q", got)
	}
}
