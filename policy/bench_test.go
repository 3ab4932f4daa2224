package policy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/policy"
)

// benchContext is what a real call of Encrypt carries.
func benchContext() []policy.Fact {
	return facts(
		text("aws:username", "alice"), text("aws:userid", "AIDAEXAMPLE"), text("aws:PrincipalArn", alice), text("aws:PrincipalAccount", account),
		text("aws:PrincipalType", "User"), text("aws:PrincipalTag/dept", "hr"), text("aws:UserAgent", "aws-cli/2.9.19"), text("aws:RequestedRegion", "us-east-1"),
		text("aws:ResourceAccount", account), text("aws:ResourceTag/env", "prod"), text("kms:CallerAccount", account), text("kms:EncryptionContext:dept", "hr"),
		text("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT"), text("kms:KeySpec", "SYMMETRIC_DEFAULT"), text("kms:KeyUsage", "ENCRYPT_DECRYPT"), text("kms:KeyOrigin", "AWS_KMS"),
		texts("kms:EncryptionContextKeys", "dept"),
		policy.Fact{Key: "aws:SecureTransport", Value: policy.Bool(true)}, policy.Fact{Key: "kms:MultiRegion", Value: policy.Bool(false)},
		policy.Fact{Key: "aws:CurrentTime", Value: policy.Time(time.Unix(1_780_000_000, 0))}, policy.Fact{Key: "aws:EpochTime", Value: policy.Int(1_780_000_000)},
		policy.Fact{Key: "aws:SourceIp", Value: policy.Addr(netip.MustParseAddr("10.1.2.3"))},
	)
}

// benchConditions are evaluated to their end: all hold but the last.
var benchConditions = []string{
	`{"Bool":{"aws:SecureTransport":"true"},"StringNotEquals":{"kms:EncryptionContext:dept":"hr"}}`,
	`{"IpAddress":{"aws:SourceIp":["192.0.2.0/24","10.0.0.0/8"]},"StringLike":{"kms:KeySpec":"RSA_*"}}`,
	`{"DateGreaterThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}`,
	`{"StringEquals":{"aws:ResourceTag/env":"prod","aws:PrincipalTag/dept":"it"}}`,
	`{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["dept","id"]},"StringEquals":{"kms:EncryptionContext:dept":"${aws:username}"}}`,
}

var benchActions = []string{`"kms:Encrypt"`, `["kms:Decrypt","kms:ReEncrypt*"]`, `"kms:*"`, `["kms:Encrypt","kms:GenerateDataKey"]`, `"kms:Create*"`, `["kms:DescribeKey","kms:ListAliases"]`, `"iam:*"`, `"kms:Sign"`, `"kms:*Key*"`, `["kms:TagResource","kms:EnableKey"]`}

func benchPolicies(b *testing.B, policies, statements int, action func(i int) string) *policy.Policies {
	in := &policy.Policies{Resource: load(b, policy.Key, document(named("Allow", root)))}
	for range policies {
		var list []string
		for i := range statements {
			effect := [...]string{"Allow", "Deny"}[i%7/6]
			list = append(list, fmt.Sprintf(`{"Effect":%q,"Action":%s,"Resource":["%s","arn:aws:kms:*:*:key/1*"],"Condition":%s}`,
				effect, action(i), strings.Replace(keyARN, "1234", "ffff", 1), benchConditions[i%len(benchConditions)]))
		}
		in.Identity = append(in.Identity, load(b, policy.Identity, document(strings.Join(list, ","))))
	}
	in.Identity = append(in.Identity, load(b, policy.Identity, document(allowKMS)))
	return in
}

func benchDecide(b *testing.B, in *policy.Policies) {
	r := situation{facts: benchContext()}.request()
	if d := policy.Decide(r, in); d.Verdict != policy.Allowed {
		b.Fatalf("%v by %v", d.Verdict, d.Layer)
	}
	b.ReportAllocs()
	for b.Loop() {
		policy.Decide(r, in)
	}
}

func BenchmarkDecide(b *testing.B) {
	varied := func(i int) string { return benchActions[i%len(benchActions)] }
	every := func(int) string { return `"kms:*"` }
	b.Run("10 policies of 10 statements", func(b *testing.B) { benchDecide(b, benchPolicies(b, 10, 10, varied)) })
	b.Run("10 policies of 10 statements, all about the action", func(b *testing.B) { benchDecide(b, benchPolicies(b, 10, 10, every)) })
	b.Run("1000 statements in one policy", func(b *testing.B) { benchDecide(b, benchPolicies(b, 5, 200, varied)) })
	b.Run("1000 statements in 100 policies", func(b *testing.B) { benchDecide(b, benchPolicies(b, 100, 10, varied)) })
}

// BenchmarkRequest is the price of a context and request, paid once per check.
func BenchmarkRequest(b *testing.B) {
	f := benchContext()
	for i := range f {
		f[i].Key = strings.ToLower(f[i].Key)
	}
	who, target := principalOf(alice), policy.Target{Action: "kms:Encrypt", Resource: keyARN, Account: account, Region: "us-east-1"}
	b.ReportAllocs()
	for b.Loop() {
		policy.NewRequest(who, target, policy.NewContext(f...))
	}
}

func BenchmarkLoad(b *testing.B) {
	text := []byte(document(allowKMS + "," + statement("Deny", `"Condition":`+benchConditions[0])))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policy.Load("p", text, policy.Identity); err != nil {
			b.Fatal(err)
		}
	}
}

// TestNoAllocation: a decision costs no memory, whatever the conditions.
func TestNoAllocation(t *testing.T) {
	for operator, value := range everyOperator {
		if operator == "BinaryEquals" {
			continue // decodes; no key of ours is binary
		}
		s := situation{key: named("Allow", root), identity: statement("Allow", condition(operator, "a", value)), facts: facts(text("a", "2026-01-01T00:00:00Z"))}
		r, in := s.ask(t)
		if n := testing.AllocsPerRun(100, func() { policy.Decide(r, in) }); n != 0 && !strings.Contains(operator, "IpAddress") { // a text that is no address
			t.Errorf("%s: %v allocations", operator, n)
		}
	}
}
