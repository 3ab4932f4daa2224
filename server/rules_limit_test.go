package server_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"
)

// limit is a number of section 13: a call that keeps to it, and one that does not.
type limit struct {
	what          string
	inside, above func() error
	code          string // of the refusal
}

// TestLimitRules: section 13 over the wire.
func TestLimitRules(t *testing.T) {
	r := startRuled(t)
	r.annMay(anything)
	for _, l := range append(keyLimits(r), append(iamLimits(r), stsLimits(r)...)...) {
		t.Run("13 "+l.what, func(t *testing.T) {
			if err := l.inside(); err != nil {
				t.Error(err)
			}
			if code := codeOf(l.above()); code != l.code {
				t.Errorf("beyond: %q, want %s", code, l.code)
			}
		})
	}
}

func keyLimits(r *ruled) []limit {
	c, ctx := r.KMS(region), r.t.Context()
	alias := func(name string) func() error {
		return func() error {
			return second(c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/" + name), TargetKeyId: &r.key}))
		}
	}
	encrypt := func(size, tokens int) func() error {
		return func() error {
			in := &kms.EncryptInput{KeyId: &r.key, Plaintext: make([]byte, size), DryRun: aws.Bool(false)}
			for range tokens {
				in.GrantTokens = append(in.GrantTokens, "AQ==")
			}
			return second(c.Encrypt(ctx, in))
		}
	}
	describe := func(size int) func() error {
		return func() error {
			return second(c.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &r.key, Description: aws.String(strings.Repeat("d", size))}))
		}
	}
	window := func(days int32) func() error {
		return func() error {
			return second(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: aws.String(r.NewKey(region)), PendingWindowInDays: &days}))
		}
	}
	tags := func(n int) func() error {
		return func() error {
			in := &kms.CreateKeyInput{}
			for i := range n {
				in.Tags = append(in.Tags, types.Tag{TagKey: aws.String("k" + strconv.Itoa(i)), TagValue: aws.String("v")})
			}
			return second(c.CreateKey(ctx, in))
		}
	}
	many := func(n int) func() error {
		key := r.NewKey(region)
		for i := range n - 1 {
			must(c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/" + key + strconv.Itoa(i)), TargetKeyId: &key}))
		}
		last := 0
		return func() error {
			last++
			return second(c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/" + key + "/" + strconv.Itoa(last)), TargetKeyId: &key}))
		}
	}
	return []limit{
		{"alias of 256 characters", alias(strings.Repeat("a", 250)), alias(strings.Repeat("a", 251)), "ValidationException"},
		{"alias of letters, digits and :/_-", alias("a:/_-9"), alias("a b"), "ValidationException"},
		{"alias of AWS's", alias("awsome"), alias("aws/x"), "NotAuthorizedException"},
		{"50 aliases of a key", many(50), many(51), "LimitExceededException"},
		{"plaintext of 4,096 bytes", encrypt(4096, 0), encrypt(4097, 0), "ValidationException"},
		{"10 grant tokens", encrypt(1, 0), encrypt(1, 11), "ValidationException"},
		{"description of 8,192 characters", describe(8192), describe(8193), "ValidationException"},
		{"deletion in 7 days or later", window(7), window(6), "ValidationException"},
		{"deletion in 30 days or sooner", window(30), window(31), "ValidationException"},
		{"50 tags of a key", tags(50), tags(51), "LimitExceededException"},
	}
}

func iamLimits(r *ruled) []limit {
	c, ctx := r.IAM(), r.t.Context()
	user := func(name, path string, tags int) func() error {
		return func() error {
			in := &iamclient.CreateUserInput{UserName: &name, Path: &path}
			for i := range tags {
				in.Tags = append(in.Tags, iamtypes.Tag{Key: aws.String("k" + strconv.Itoa(i)), Value: aws.String("v")})
			}
			return second(c.CreateUser(ctx, in))
		}
	}
	role := func(name string) func() error {
		return func() error {
			return second(c.CreateRole(ctx, &iamclient.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trustRoot)}))
		}
	}
	group := func(name string) func() error {
		return func() error { return second(c.CreateGroup(ctx, &iamclient.CreateGroupInput{GroupName: &name})) }
	}
	inline := func(size int) func() error {
		return func() error {
			text := *document(`{"Sid":"` + strings.Repeat("a", size) + `","Effect":"Allow","Action":"kms:*","Resource":"*"}`)
			return second(c.CreatePolicy(ctx, &iamclient.CreatePolicyInput{PolicyName: aws.String("long" + strconv.Itoa(size)), PolicyDocument: &text}))
		}
	}
	policy := must(c.CreatePolicy(ctx, &iamclient.CreatePolicyInput{PolicyName: aws.String("versions"), PolicyDocument: document(anything)})).Policy.Arn
	version := func(n int) func() error {
		return func() (err error) {
			for range n {
				_, err = c.CreatePolicyVersion(ctx, &iamclient.CreatePolicyVersionInput{PolicyArn: policy, PolicyDocument: document(anything)})
			}
			return err
		}
	}
	key := func() error {
		return second(c.CreateAccessKey(ctx, &iamclient.CreateAccessKeyInput{UserName: aws.String("ann")}))
	}
	x := func(n int) string { return strings.Repeat("x", n) }
	const tooLong, full = "ValidationError", "LimitExceeded"
	return []limit{
		{"user name of 64", user(x(64), "/", 0), user(x(65), "/", 0), tooLong},
		{"role name of 64", role(x(64)), role(x(65)), tooLong},
		{"group name of 128", group(x(128)), group(x(129)), tooLong},
		{"path of 512", user("path-1", "/"+x(510)+"/", 0), user("path-2", "/"+x(511)+"/", 0), tooLong},
		{"50 tags of a user", user("tags-1", "/", 50), user("tags-2", "/", 51), tooLong},
		{"policy of 20,480 characters", inline(20_000), inline(20_480), full},
		{"5 policy versions", version(4), version(1), full},
		{"2 access keys", key, key, full}, // ann has one
	}
}

func stsLimits(r *ruled) []limit {
	c, ctx := r.STSWith(region, r.ann), r.t.Context()
	r.RoleTrusting("limits", "") // sessions of two hours
	role := func(name, external string, lasts int32) func() error {
		return func() error {
			in := &stsclient.AssumeRoleInput{RoleArn: aws.String(roleARN + "limits"), RoleSessionName: &name, DurationSeconds: &lasts}
			if external != "" {
				in.ExternalId = &external
			}
			return second(c.AssumeRole(ctx, in))
		}
	}
	user := func(lasts int32) func() error {
		return func() error {
			return second(c.GetSessionToken(ctx, &stsclient.GetSessionTokenInput{DurationSeconds: &lasts}))
		}
	}
	x := func(n int) string { return strings.Repeat("x", n) }
	const invalid = "ValidationError"
	return []limit{
		{"session name of 2", role("xx", "", 900), role("x", "", 900), invalid},
		{"session name of 64", role(x(64), "", 900), role(x(65), "", 900), invalid},
		{"external id of 2", role("s1", "xx", 900), role("s1", "x", 900), invalid},
		{"external id of 1,224", role("s1", x(1224), 900), role("s1", x(1225), 900), invalid},
		{"role session of 900 s", role("s1", "", 900), role("s1", "", 899), invalid},
		{"role session of the role's maximum", role("s1", "", 7200), role("s1", "", 7201), invalid},
		{"user session of 900 s", user(900), user(899), invalid},
		{"user session of 129,600 s", user(129_600), user(129_601), invalid},
	}
}
