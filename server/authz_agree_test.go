package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/sts"
)

// A crowd is the users and roles of the agreement test, two keys, and who calls.
type crowd struct {
	kit   *testkit.Kit
	rng   *rand.Rand
	who   []member
	keys  []string // ARNs
	blobs map[string][]byte
}

// A member is a user or role, with credentials that are never given anew.
type member struct {
	kind, name, arn, session string
	api                      *kmsclient.Client
}

const (
	rounds = 60
	asks   = 50 // questions of a round
)

// TestSimulatorAgrees: what SimulatePrincipalPolicy says of random policies is
// what the gate then does. KEYD_SEED repeats a run.
func TestSimulatorAgrees(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("KEYD_SEED"); text != "" {
		seed = must(strconv.ParseUint(text, 10, 64))
	}
	t.Logf("KEYD_SEED=%d", seed)
	c := newCrowd(t, rand.New(rand.NewPCG(seed, 0)))
	verdicts := make(map[string]int)
	for range rounds {
		c.rearrange(t)
		var group sync.WaitGroup
		answers := make([]string, asks)
		for i := range asks {
			q := c.question()
			group.Go(func() { answers[i] = c.compare(t, q) })
		}
		group.Wait()
		for _, a := range answers {
			verdicts[a]++
		}
	}
	t.Logf("%d questions: %v", rounds*asks, verdicts)
	for _, v := range []string{"allowed", "implicitDeny", "explicitDeny"} {
		if verdicts[v] < rounds {
			t.Errorf("%d answers are %s: the policies are not varied enough", verdicts[v], v)
		}
	}
}

func newCrowd(t *testing.T, rng *rand.Rand) *crowd {
	kit := testkit.Start(t)
	c := &crowd{kit: kit, rng: rng, blobs: make(map[string][]byte)}
	var ann iam.Principal
	for _, name := range []string{"cid", "bob", "ann"} {
		u, key := kit.UserWithKey(name, iam.Tag{Key: "dept", Value: map[string]string{"ann": "it", "bob": "hr", "cid": "it"}[name]})
		ann = principalOf(u)
		c.who = append(c.who, member{iam.KindUser, name, u.ARN(), u.ARN(), kit.KMSWith(region, key)})
	}
	kit.Update(func(tx store.Tx) error {
		_, err := kit.Identities.CreateGroup(tx, "staff", "/")
		return errors.Join(err, kit.Identities.AddUser(tx, "staff", "ann"), kit.Identities.AddUser(tx, "staff", "bob"))
	})
	for _, name := range []string{"ops", "app"} {
		r := kit.RoleTrusting(name, "", iam.Tag{Key: "dept", Value: "it"})
		assumed := must(kit.Sessions.AssumeRole(t.Context(), ann, r, roleSession))
		c.who = append(c.who, member{iam.KindRole, name, r.ARN(),
			"arn:aws:sts::" + testkit.Account + ":assumed-role/" + name + "/" + roleSession.Name, kit.KMSWith(region, temporary(assumed))})
	}
	for range 2 {
		out := must(kit.KMS(region).CreateKey(t.Context(), &kmsclient.CreateKeyInput{}))
		c.keys = append(c.keys, *out.KeyMetadata.Arn)
		sealed := must(kit.KMS(region).Encrypt(t.Context(), &kmsclient.EncryptInput{
			KeyId: out.KeyMetadata.KeyId, Plaintext: []byte("x"), EncryptionContext: map[string]string{"dept": "it"}}))
		c.blobs[*out.KeyMetadata.Arn] = sealed.CiphertextBlob
	}
	return c
}

type doc struct {
	Version   string
	Statement []map[string]any
}

func (c *crowd) one(of ...string) string { return of[c.rng.IntN(len(of))] }

// some is a list of one or two of these.
func (c *crowd) some(of ...string) []string {
	return slices.Compact([]string{c.one(of...), c.one(of...)})
}

// statement is one at random, without a principal.
func (c *crowd) statement(denies int) map[string]any {
	s := map[string]any{"Effect": "Allow"}
	if c.rng.IntN(100) < denies {
		s["Effect"] = "Deny"
	}
	action := c.some("kms:*", "*", "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:Describe*", "kms:List*", "kms:?ncrypt", "KMS:encrypt", "iam:*")
	s[c.one("Action", "Action", "Action", "Action", "NotAction")] = action
	resource := c.some("*", "*", "*", c.keys[0], c.keys[1], "arn:aws:kms:*:"+testkit.Account+":key/*", "arn:aws:kms:eu-2:*:*")
	s[c.one("Resource", "Resource", "Resource", "Resource", "NotResource")] = resource
	if c.rng.IntN(2) == 0 {
		s["Condition"] = c.condition()
	}
	return s
}

func (c *crowd) condition() map[string]any {
	now := c.kit.Now()
	moment := c.one(now.Add(-time.Hour).UTC().Format(time.RFC3339), now.Add(time.Hour).UTC().Format(time.RFC3339))
	operators := []map[string]any{
		{c.one("IpAddress", "NotIpAddress"): map[string]any{"aws:SourceIp": c.one("127.0.0.0/8", "10.0.0.0/8", "127.0.0.1")}},
		{c.one("DateLessThan", "DateGreaterThan"): map[string]any{"aws:CurrentTime": moment}},
		{c.one("StringEquals", "StringNotEquals", "StringLike", "StringEqualsIfExists"): map[string]any{"kms:EncryptionContext:dept": c.some("it", "hr", "i*", "${aws:PrincipalTag/dept}")}},
		{c.one("Bool", "BoolIfExists"): map[string]any{"aws:SecureTransport": c.one("true", "false")}},
		{c.one("ForAllValues:StringEquals", "ForAnyValue:StringEquals"): map[string]any{"kms:EncryptionContextKeys": c.some("dept", "app")}},
		{"Null": map[string]any{c.one("kms:EncryptionContext:dept", "aws:TokenIssueTime", "aws:MultiFactorAuthPresent"): c.one("true", "false")}},
		{c.one("StringEquals", "StringNotEquals"): map[string]any{"aws:PrincipalType": c.one("User", "AssumedRole")}},
		{c.one("ArnLike", "ArnNotLike"): map[string]any{"aws:PrincipalArn": c.one("arn:aws:iam::*:user/*", "arn:aws:iam::*:role/team/*", c.who[0].arn)}},
		{c.one("StringEquals", "StringLike"): map[string]any{"aws:username": c.one("ann", "b*", "${aws:username}")}},
		{c.one("StringEquals", "StringNotEquals"): map[string]any{"kms:KeySpec": c.one("SYMMETRIC_DEFAULT", "RSA_2048")}},
	}
	chosen := operators[c.rng.IntN(len(operators))]
	if c.rng.IntN(4) == 0 {
		for op, keys := range operators[c.rng.IntN(len(operators))] {
			chosen[op] = keys
		}
	}
	return chosen
}

// document is a policy of some statements.
func (c *crowd) document(most, denies int) string {
	d := doc{Version: "2012-10-17"}
	for range 1 + c.rng.IntN(most) {
		d.Statement = append(d.Statement, c.statement(denies))
	}
	return string(must(json.Marshal(d)))
}

// keyPolicy always lets the root user change it.
func (c *crowd) keyPolicy() string {
	d := doc{Version: "2012-10-17", Statement: []map[string]any{{
		"Effect": "Allow", "Principal": map[string]any{"AWS": testkit.Account}, "Resource": "*",
		"Action": c.one("kms:*", "kms:PutKeyPolicy"),
	}}}
	for range c.rng.IntN(3) {
		s := c.statement(35)
		names := []string{"*", testkit.Account}
		for _, m := range c.who {
			names = append(names, m.arn, m.session)
		}
		if s["Effect"] == "Deny" && c.rng.IntN(3) == 0 {
			s["NotPrincipal"] = map[string]any{"AWS": c.some(names[1:]...)}
		} else {
			s["Principal"] = map[string]any{"AWS": c.some(names...)}
		}
		// A policy that denies root is refused; ForAllValues on absent keys too.
		d.Statement = append(d.Statement, s)
	}
	return string(must(json.Marshal(d)))
}

// rearrange gives everybody and every key other policies.
func (c *crowd) rearrange(t *testing.T) {
	t.Helper()
	c.kit.Update(func(tx store.Tx) error {
		for _, m := range c.who {
			h := iam.Holder{Kind: m.kind, Name: m.name}
			for _, name := range []string{"a", "b"} {
				if err := c.kit.Identities.PutInlinePolicy(tx, h, name, c.document(2, 15)); err != nil {
					return err
				}
			}
			if err := c.bound(t, tx, m); err != nil {
				return err
			}
		}
		return c.kit.Identities.PutInlinePolicy(tx, iam.Holder{Kind: iam.KindGroup, Name: "staff"}, "g", c.document(2, 10))
	})
	for _, key := range c.keys {
		for { // some would lock their author out
			_, err := c.kit.KMS(region).PutKeyPolicy(t.Context(), &kmsclient.PutKeyPolicyInput{KeyId: &key, Policy: aws.String(c.keyPolicy())})
			if err == nil {
				break
			}
			if code := codeOf(err); code != "MalformedPolicyDocumentException" && code != "AccessDeniedException" {
				t.Fatal(err)
			}
		}
	}
}

// bound gives a member a boundary now and then.
func (c *crowd) bound(t *testing.T, tx store.Tx, m member) error {
	arn := ""
	if c.rng.IntN(3) == 0 {
		p, err := c.kit.Identities.CreatePolicy(tx, iam.NewPolicy{Name: fmt.Sprintf("b-%d", c.rng.Int64()), Document: c.document(3, 15)})
		if err != nil {
			return err
		}
		arn = p.ARN()
	}
	if m.kind == iam.KindRole {
		r, err := c.kit.Identities.Role(t.Context(), tx, m.name)
		if err != nil || r.Boundary == arn {
			return err
		}
		return c.kit.Identities.SetRoleBoundary(tx, r, arn)
	}
	u, err := c.kit.Identities.User(t.Context(), tx, m.name)
	if err != nil || u.Boundary == arn {
		return err
	}
	return c.kit.Identities.SetUserBoundary(tx, u, arn)
}

// A question is put to the simulator and to the gate.
type question struct {
	member
	action, key string
	context     map[string]string
}

func (c *crowd) question() question {
	q := question{member: c.who[c.rng.IntN(len(c.who))], key: c.keys[c.rng.IntN(len(c.keys))]}
	q.action = c.one("Encrypt", "Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "DescribeKey", "ListKeys")
	switch q.action {
	case "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext":
		q.context = []map[string]string{nil, {"dept": "it"}, {"dept": "hr"}, {"dept": "it", "app": "x"}, {"Dept": "it", "dept": "hr"}}[c.rng.IntN(5)]
	case "Decrypt":
		q.context = map[string]string{"dept": "it"}
	}
	return q
}

// compare asks both and returns the verdict of the simulator.
func (c *crowd) compare(t *testing.T, q question) string {
	resource := q.key
	if q.action == "ListKeys" {
		resource = "*"
	}
	in := &iamclient.SimulatePrincipalPolicyInput{
		PolicySourceArn: &q.arn, ActionNames: []string{"kms:" + q.action}, ResourceArns: []string{resource}, ContextEntries: q.facts(),
	}
	if q.kind == iam.KindRole {
		in.CallerArn = &q.session
	}
	out, err := c.kit.IAM().SimulatePrincipalPolicy(context.Background(), in)
	if err != nil {
		t.Error(err)
		return ""
	}
	r := out.EvaluationResults[0]
	err = q.call(c.blobs[q.key])
	var refusal smithy.APIError
	if err != nil && (!errors.As(err, &refusal) || refusal.ErrorCode() != "AccessDeniedException") {
		t.Errorf("%s %s: %v", q.name, q.action, err)
	}
	if said := r.EvalDecision == iamtypes.PolicyEvaluationDecisionTypeAllowed; said != (err == nil) {
		t.Errorf("%s %s %s with %v: the simulator says %s, the gate %v\n%s", q.name, q.action, q.key, q.context, r.EvalDecision, err, c.policies(q))
	}
	if explicit := err != nil && policyDenies(refusal.ErrorMessage()); explicit != (r.EvalDecision == iamtypes.PolicyEvaluationDecisionTypeExplicitDeny) {
		t.Errorf("%s %s: the simulator says %s, the gate %v", q.name, q.action, r.EvalDecision, err)
	}
	return string(r.EvalDecision)
}

// facts are the condition keys that the call will have.
func (q question) facts() []iamtypes.ContextEntry {
	facts := []iamtypes.ContextEntry{
		entry("aws:SourceIp", iamtypes.ContextKeyTypeEnumIp, "127.0.0.1"),
		entry("aws:SecureTransport", iamtypes.ContextKeyTypeEnumBoolean, "false"),
	}
	if q.action == "DescribeKey" || q.action == "ListKeys" {
		return facts
	}
	facts = append(facts, entry("kms:EncryptionAlgorithm", iamtypes.ContextKeyTypeEnumString, "SYMMETRIC_DEFAULT"))
	var keys []string
	for k, v := range q.context {
		keys = append(keys, k)
		facts = append(facts, entry("kms:EncryptionContext:"+k, iamtypes.ContextKeyTypeEnumString, v))
	}
	if len(keys) > 0 {
		facts = append(facts, entry("kms:EncryptionContextKeys", iamtypes.ContextKeyTypeEnumStringList, keys...))
	}
	return facts
}

func entry(key string, kind iamtypes.ContextKeyTypeEnum, values ...string) iamtypes.ContextEntry {
	return iamtypes.ContextEntry{ContextKeyName: &key, ContextKeyType: kind, ContextKeyValues: values}
}

// call does what the question is about.
func (q question) call(blob []byte) (err error) {
	ctx := context.Background()
	switch q.action {
	case "Encrypt":
		_, err = q.api.Encrypt(ctx, &kmsclient.EncryptInput{KeyId: &q.key, Plaintext: []byte("x"), EncryptionContext: q.context})
	case "Decrypt":
		_, err = q.api.Decrypt(ctx, &kmsclient.DecryptInput{KeyId: &q.key, CiphertextBlob: blob, EncryptionContext: q.context})
	case "GenerateDataKey":
		_, err = q.api.GenerateDataKey(ctx, &kmsclient.GenerateDataKeyInput{KeyId: &q.key, KeySpec: types.DataKeySpecAes256, EncryptionContext: q.context})
	case "GenerateDataKeyWithoutPlaintext":
		_, err = q.api.GenerateDataKeyWithoutPlaintext(ctx, &kmsclient.GenerateDataKeyWithoutPlaintextInput{
			KeyId: &q.key, KeySpec: types.DataKeySpecAes256, EncryptionContext: q.context})
	case "DescribeKey":
		_, err = q.api.DescribeKey(ctx, &kmsclient.DescribeKeyInput{KeyId: &q.key})
	case "ListKeys":
		_, err = q.api.ListKeys(ctx, &kmsclient.ListKeysInput{})
	}
	return err
}

// policies shows what a question was asked of.
func (c *crowd) policies(q question) string {
	text := ""
	key, err := c.kit.KMS(region).GetKeyPolicy(context.Background(), &kmsclient.GetKeyPolicyInput{KeyId: &q.key})
	if err == nil {
		text = *key.Policy
	}
	p := iam.Principal{Type: iam.TypeUser, Account: testkit.Account, ARN: q.arn}
	if q.kind == iam.KindRole {
		p = iam.Principal{Type: iam.TypeAssumedRole, Account: testkit.Account, ARN: q.session, Parent: q.arn}
	}
	g, err := c.kit.Identities.PoliciesOf(context.Background(), p)
	if g == nil {
		return text + fmt.Sprint(err)
	}
	for _, own := range append(slices.Clone(g.Identity), g.Boundary) {
		if own != nil {
			text += "\n" + own.Name + " " + own.Text()
		}
	}
	return text
}

var roleSession = sts.RoleSession{Name: "s1"}

// policyDenies reports whether a refusal speaks of an explicit deny.
func policyDenies(text string) bool { return strings.Contains(text, "with an explicit deny") }
