package server_test

import (
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/keyd-hsm/keyd/iam"
)

// asked is a condition key that an operation gives: a policy with the condition
// that it has the value allows the call, one that it has another does not.
type asked struct {
	operation, key, value string
	several               bool   // a key of several values
	operator              string // "" for StringEquals
	call                  func() error
}

// absent is a condition key that an operation does not give.
type absent struct {
	operation, key string
	call           func() error
}

func (a asked) statement(value string) string {
	operator := a.operator
	if operator == "" {
		operator = "StringEquals"
	}
	if a.several {
		operator = "ForAnyValue:" + operator
	}
	return onCondition(`{"` + operator + `":{"` + a.key + `":"` + value + `"}}`)
}

// wrong is a value of the same type that the key has not.
func (a asked) wrong() string {
	switch a.operator {
	case "IpAddress":
		return "192.0.2.0/24"
	case "Bool":
		return "true"
	case "ArnEquals":
		return a.value + "s"
	}
	return "99" + a.value
}

func onCondition(condition string) string {
	return `{"Effect":"Allow","Action":"*","Resource":"*","Condition":` + condition + `}`
}

// TestContextRules: section 12, the condition keys of requests. Those of callers,
// sessions and keys are tested in package authz.
func TestContextRules(t *testing.T) {
	r := startRuled(t)
	f := newContextCalls(r)
	for _, a := range f.given() {
		t.Run("12 "+a.operation+" "+a.key, func(t *testing.T) {
			r.annMay(a.statement(a.value))
			if err := a.call(); err != nil {
				t.Errorf("%s: %v", a.value, err)
			}
			r.annMay(a.statement(a.wrong()))
			if err := a.call(); err == nil {
				t.Errorf("any value will do for %s", a.key)
			}
		})
	}
	for _, a := range f.absent() {
		t.Run("12 "+a.operation+" without "+a.key, func(t *testing.T) {
			r.annMay(onCondition(`{"Null":{"` + a.key + `":"true"}}`))
			if err := a.call(); err != nil {
				t.Error(err)
			}
		})
	}
}

// contextCalls are the calls of ann about whose conditions policies are asked.
type contextCalls struct {
	r          *ruled
	kms        *kms.Client
	iam        *iamclient.Client
	sts        *stsclient.Client
	other      string // a second key
	blob       []byte // encrypted under the first, with pairs
	pairs      map[string]string
	alias      *string
	policy     string
	made       int
	sessionTag []ststypes.Tag
}

func newContextCalls(r *ruled) *contextCalls {
	ctx := r.t.Context()
	f := &contextCalls{
		r: r, kms: r.KMSWith(region, r.ann), iam: r.IAMWith(r.ann), sts: r.STSWith(region, r.ann), other: r.NewKey(region),
		pairs: map[string]string{"dept": "hr", "file": "7"}, alias: aws.String("alias/a"),
		sessionTag: []ststypes.Tag{{Key: aws.String("dept"), Value: aws.String("it")}},
	}
	root := r.KMS(region)
	must(root.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: f.alias, TargetKeyId: &r.key}))
	f.blob = must(root.Encrypt(ctx, &kms.EncryptInput{KeyId: &r.key, Plaintext: []byte("m"), EncryptionContext: f.pairs})).CiphertextBlob
	f.policy = *must(r.IAM().CreatePolicy(ctx, &iamclient.CreatePolicyInput{PolicyName: aws.String("limit"), PolicyDocument: document(anything)})).Policy.Arn
	must(r.IAM().CreateGroup(ctx, &iamclient.CreateGroupInput{GroupName: aws.String("staff")}))
	r.RoleTrusting("ops", "")
	r.UserWithKey("bob", iam.Tag{Key: "dept", Value: "it"})
	return f
}

func (f *contextCalls) encrypt() error {
	return second(f.kms.Encrypt(f.r.t.Context(), &kms.EncryptInput{KeyId: f.alias, Plaintext: []byte("m"), EncryptionContext: f.pairs}))
}

func (f *contextCalls) encryptPlain() error {
	return second(f.kms.Encrypt(f.r.t.Context(), &kms.EncryptInput{KeyId: &f.r.key, Plaintext: []byte("m")}))
}

func (f *contextCalls) decrypt() error {
	return second(f.kms.Decrypt(f.r.t.Context(), &kms.DecryptInput{KeyId: f.alias, CiphertextBlob: f.blob, EncryptionContext: f.pairs}))
}

func (f *contextCalls) dataKey() error {
	return second(f.kms.GenerateDataKey(f.r.t.Context(), &kms.GenerateDataKeyInput{
		KeyId: f.alias, KeySpec: types.DataKeySpecAes256, EncryptionContext: f.pairs}))
}

func (f *contextCalls) blindDataKey() error {
	return second(f.kms.GenerateDataKeyWithoutPlaintext(f.r.t.Context(), &kms.GenerateDataKeyWithoutPlaintextInput{
		KeyId: f.alias, KeySpec: types.DataKeySpecAes256, EncryptionContext: f.pairs}))
}

func (f *contextCalls) describe() error {
	return second(f.kms.DescribeKey(f.r.t.Context(), &kms.DescribeKeyInput{KeyId: f.alias}))
}

// reEncrypt keeps the context; both sides are asked about it.
func (f *contextCalls) reEncrypt(to string) func() error {
	return func() error {
		return second(f.kms.ReEncrypt(f.r.t.Context(), &kms.ReEncryptInput{
			CiphertextBlob: f.blob, SourceEncryptionContext: f.pairs, DestinationKeyId: &to, DestinationEncryptionContext: f.pairs,
		}))
	}
}

func (f *contextCalls) createKey() error {
	return second(f.kms.CreateKey(f.r.t.Context(), &kms.CreateKeyInput{
		BypassPolicyLockoutSafetyCheck: true, Tags: []types.Tag{{TagKey: aws.String("dept"), TagValue: aws.String("hr")}},
	}))
}

// putPolicy always says that it bypasses the check; putPolicyPlain never.
func (f *contextCalls) putPolicy() error {
	return second(f.kms.PutKeyPolicy(f.r.t.Context(), &kms.PutKeyPolicyInput{
		KeyId: &f.r.key, Policy: document(toKey("Allow", rootARN)), BypassPolicyLockoutSafetyCheck: true}))
}

func (f *contextCalls) putPolicyPlain() error {
	return second(f.kms.PutKeyPolicy(f.r.t.Context(), &kms.PutKeyPolicyInput{KeyId: &f.r.key, Policy: document(toKey("Allow", rootARN))}))
}

// scheduleDeletion is of a new key each time; days 0 leaves the default.
func (f *contextCalls) scheduleDeletion(days int32) func() error {
	return func() error {
		in := &kms.ScheduleKeyDeletionInput{KeyId: aws.String(f.r.NewKey(region))}
		if days != 0 {
			in.PendingWindowInDays = &days
		}
		return second(f.kms.ScheduleKeyDeletion(f.r.t.Context(), in))
	}
}

func (f *contextCalls) attach() error {
	return second(f.iam.AttachGroupPolicy(f.r.t.Context(), &iamclient.AttachGroupPolicyInput{GroupName: aws.String("staff"), PolicyArn: &f.policy}))
}

func (f *contextCalls) getUser() error {
	return second(f.iam.GetUser(f.r.t.Context(), &iamclient.GetUserInput{UserName: aws.String("bob")}))
}

// createUser is of another name each time, with a tag and a boundary.
func (f *contextCalls) createUser() error {
	f.made++
	return second(f.iam.CreateUser(f.r.t.Context(), &iamclient.CreateUserInput{
		UserName: aws.String("new-" + strconv.Itoa(f.made)), PermissionsBoundary: &f.policy,
		Tags: []iamtypes.Tag{{Key: aws.String("dept"), Value: aws.String("hr")}},
	}))
}

func (f *contextCalls) assume() error {
	return second(f.sts.AssumeRole(f.r.t.Context(), &stsclient.AssumeRoleInput{
		RoleArn: aws.String(roleARN + "ops"), RoleSessionName: aws.String("s1"), ExternalId: aws.String("x/42"), DurationSeconds: aws.Int32(900),
		SourceIdentity: aws.String("ann@corp"), Tags: f.sessionTag, TransitiveTagKeys: []string{"dept"},
	}))
}

func (f *contextCalls) assumePlain() error {
	return second(f.sts.AssumeRole(f.r.t.Context(), &stsclient.AssumeRoleInput{RoleArn: aws.String(roleARN + "ops"), RoleSessionName: aws.String("s1")}))
}

func (f *contextCalls) given() []asked {
	var all []asked
	for operation, call := range map[string]func() error{
		"Encrypt": f.encrypt, "Decrypt": f.decrypt, "GenerateDataKey": f.dataKey, "GenerateDataKeyWithoutPlaintext": f.blindDataKey,
	} {
		all = append(all,
			asked{operation: operation, key: "kms:EncryptionAlgorithm", value: "SYMMETRIC_DEFAULT", call: call},
			asked{operation: operation, key: "kms:EncryptionContext:dept", value: "hr", call: call},
			asked{operation: operation, key: "kms:EncryptionContext:DEPT", value: "hr", call: call},
			asked{operation: operation, key: "kms:EncryptionContextKeys", value: "file", several: true, call: call},
			asked{operation: operation, key: "kms:RequestAlias", value: "alias/a", call: call},
			asked{operation: operation, key: "kms:ResourceAliases", value: "alias/a", several: true, call: call},
			asked{operation: operation, key: "kms:KeySpec", value: "SYMMETRIC_DEFAULT", call: call})
	}
	same, across := f.reEncrypt(f.r.key), f.reEncrypt(f.other)
	const window = "kms:ScheduleKeyDeletionPendingWindowInDays"
	return append(all,
		asked{operation: "ReEncrypt", key: "kms:ReEncryptOnSameKey", value: "true", call: same},
		asked{operation: "ReEncrypt", key: "kms:ReEncryptOnSameKey", value: "false", call: across},
		asked{operation: "ReEncrypt", key: "kms:EncryptionContext:file", value: "7", call: across},
		asked{operation: "ReEncrypt", key: "kms:EncryptionAlgorithm", value: "SYMMETRIC_DEFAULT", call: across},
		asked{operation: "DescribeKey", key: "kms:RequestAlias", value: "alias/a", call: f.describe},
		asked{operation: "DescribeKey", key: "kms:CallerAccount", value: "111122223333", call: f.describe},
		asked{operation: "DescribeKey", key: "aws:ResourceAccount", value: "111122223333", call: f.describe},
		asked{operation: "DescribeKey", key: "aws:RequestedRegion", value: region, call: f.describe},
		asked{operation: "DescribeKey", key: "aws:SourceIp", value: "127.0.0.0/8", operator: "IpAddress", call: f.describe},
		asked{operation: "DescribeKey", key: "aws:UserAgent", value: "aws-sdk-go-v2/*", operator: "StringLike", call: f.describe},
		asked{operation: "DescribeKey", key: "aws:SecureTransport", value: "false", operator: "Bool", call: f.describe},
		asked{operation: "CreateKey", key: "kms:KeySpec", value: "SYMMETRIC_DEFAULT", call: f.createKey},
		asked{operation: "CreateKey", key: "kms:KeyUsage", value: "ENCRYPT_DECRYPT", call: f.createKey},
		asked{operation: "CreateKey", key: "kms:KeyOrigin", value: "AWS_KMS", call: f.createKey},
		asked{operation: "CreateKey", key: "kms:MultiRegion", value: "false", call: f.createKey},
		asked{operation: "CreateKey", key: "kms:BypassPolicyLockoutSafetyCheck", value: "true", call: f.createKey},
		asked{operation: "CreateKey", key: "aws:RequestTag/dept", value: "hr", call: f.createKey},
		asked{operation: "CreateKey", key: "aws:TagKeys", value: "dept", several: true, call: f.createKey},
		asked{operation: "PutKeyPolicy", key: "kms:BypassPolicyLockoutSafetyCheck", value: "true", call: f.putPolicy},
		asked{operation: "ScheduleKeyDeletion", key: window, value: "8", operator: "NumericEquals", call: f.scheduleDeletion(8)},
		asked{operation: "ScheduleKeyDeletion", key: window, value: "30", operator: "NumericEquals", call: f.scheduleDeletion(0)},
		asked{operation: "AttachGroupPolicy", key: "iam:PolicyARN", value: f.policy, operator: "ArnEquals", call: f.attach},
		asked{operation: "GetUser", key: "aws:ResourceTag/dept", value: "it", call: f.getUser},
		asked{operation: "GetUser", key: "iam:ResourceTag/dept", value: "it", call: f.getUser},
		asked{operation: "CreateUser", key: "iam:PermissionsBoundary", value: f.policy, call: f.createUser},
		asked{operation: "CreateUser", key: "aws:RequestTag/dept", value: "hr", call: f.createUser},
		asked{operation: "CreateUser", key: "aws:TagKeys", value: "dept", several: true, call: f.createUser},
		asked{operation: "AssumeRole", key: "sts:ExternalId", value: "x/42", call: f.assume},
		asked{operation: "AssumeRole", key: "sts:RoleSessionName", value: "s1", call: f.assume},
		asked{operation: "AssumeRole", key: "sts:DurationSeconds", value: "900", operator: "NumericEquals", call: f.assume},
		asked{operation: "AssumeRole", key: "sts:SourceIdentity", value: "ann@corp", call: f.assume},
		asked{operation: "AssumeRole", key: "sts:TransitiveTagKeys", value: "dept", several: true, call: f.assume},
		asked{operation: "AssumeRole", key: "aws:RequestTag/dept", value: "it", call: f.assume})
}

func (f *contextCalls) absent() []absent {
	return []absent{
		{"Encrypt", "kms:RequestAlias", f.encryptPlain},
		{"Encrypt", "kms:EncryptionContextKeys", f.encryptPlain},
		{"Encrypt", "kms:ReEncryptOnSameKey", f.encrypt},
		{"Encrypt", "aws:Referer", f.encrypt},
		{"Encrypt", "aws:TokenIssueTime", f.encrypt},
		{"DescribeKey", "kms:EncryptionAlgorithm", f.describe},
		{"PutKeyPolicy", "kms:BypassPolicyLockoutSafetyCheck", f.putPolicyPlain},
		{"AssumeRole", "sts:ExternalId", f.assumePlain},
		{"AssumeRole", "sts:DurationSeconds", f.assumePlain},
		{"AssumeRole", "sts:SourceIdentity", f.assumePlain},
		{"AssumeRole", "sts:TransitiveTagKeys", f.assumePlain},
		{"AttachGroupPolicy", "iam:PermissionsBoundary", f.attach},
	}
}
