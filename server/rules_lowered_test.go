package server_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	keydkms "github.com/keyd-hsm/keyd/kms"
)

// TestLoweredLimits: section 13, each number that can be set holds as it is set.
func TestLoweredLimits(t *testing.T) {
	r := startRuled(t, testkit.WithLimits(
		keydkms.Limits{GrantsPerKey: 1, AliasesPerKey: 1, TagsPerKey: 1, PolicyBytes: 400},
		iam.Limits{AccessKeysPerUser: 2, VersionsPerPolicy: 2, Tags: 1, AttachedPolicies: 1, PolicySize: 200, InlineSize: 300}))
	c, i, ctx := r.KMS(region), r.IAM(), t.Context()
	alias := func(name string) error {
		return second(c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/" + name), TargetKeyId: &r.key}))
	}
	grant := func() error { return second(r.grantBy(r.root(), annARN, nil, encryptOp)) }
	keyPolicy := func(size int) error {
		text := *document(toKey("Allow", rootARN))
		text += strings.Repeat(" ", size-len(text))
		return second(c.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &r.key, Policy: &text}))
	}
	managed := func(name string, sid int) error {
		text := document(`{"Sid":"` + strings.Repeat("a", sid) + `","Effect":"Allow","Action":"kms:*","Resource":"*"}`)
		return second(i.CreatePolicy(ctx, &iamclient.CreatePolicyInput{PolicyName: &name, PolicyDocument: text}))
	}
	version := func() error {
		return second(i.CreatePolicyVersion(ctx, &iamclient.CreatePolicyVersionInput{
			PolicyArn: aws.String("arn:aws:iam::111122223333:policy/p1"), PolicyDocument: document(anything),
		}))
	}
	attach := func(name string) error {
		return second(i.AttachUserPolicy(ctx, &iamclient.AttachUserPolicyInput{
			UserName: aws.String("ann"), PolicyArn: aws.String("arn:aws:iam::111122223333:policy/" + name),
		}))
	}
	inline := func(name string) error {
		text := document(`{"Sid":"` + strings.Repeat("a", 100) + `","Effect":"Allow","Action":"kms:*","Resource":"*"}`)
		return second(i.PutUserPolicy(ctx, &iamclient.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: &name, PolicyDocument: text}))
	}
	tag := func(key string) error {
		return second(i.TagUser(ctx, &iamclient.TagUserInput{UserName: aws.String("ann"), Tags: []iamtypes.Tag{{Key: &key, Value: aws.String("v")}}}))
	}
	key := func() error {
		return second(i.CreateAccessKey(ctx, &iamclient.CreateAccessKeyInput{UserName: aws.String("ann")}))
	}
	for _, l := range []limit{
		{"grants", grant, grant, "LimitExceededException"},
		{"aliases", func() error { return alias("a") }, func() error { return alias("b") }, "LimitExceededException"},
		{"tags of a key", func() error { return r.tag(r.root(), "a", "1") }, func() error { return r.tag(r.root(), "b", "1") }, "LimitExceededException"},
		{"key policy", func() error { return keyPolicy(400) }, func() error { return keyPolicy(401) }, "LimitExceededException"},
		{"managed policy", func() error { return managed("p1", 1) }, func() error { return managed("p2", 200) }, "LimitExceeded"},
		{"versions", version, version, "LimitExceeded"},
		{"attached", func() error { return attach("p1") }, func() error {
			r.allowed("another policy", managed("p3", 1))
			return attach("p3")
		}, "LimitExceeded"},
		{"inline", func() error { return inline("a") }, func() error { return inline("b") }, "LimitExceeded"},
		{"tags of a user", func() error { return tag("a") }, func() error { return tag("b") }, "LimitExceeded"},
		{"access keys", key, key, "LimitExceeded"},
	} {
		t.Run("13 lowered: "+l.what, func(t *testing.T) {
			if err := l.inside(); err != nil {
				t.Error(err)
			}
			if code := codeOf(l.above()); code != l.code {
				t.Errorf("beyond: %q, want %s", code, l.code)
			}
		})
	}
}
