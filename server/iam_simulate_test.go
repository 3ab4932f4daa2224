package server_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/policy"
	"github.com/keyd-hsm/keyd/store"
)

const (
	allowed  = iamtypes.PolicyEvaluationDecisionTypeAllowed
	implicit = iamtypes.PolicyEvaluationDecisionTypeImplicitDeny
	explicit = iamtypes.PolicyEvaluationDecisionTypeExplicitDeny

	denyDecrypt = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n" +
		"    {\"Effect\": \"Allow\", \"Action\": \"kms:*\", \"Resource\": \"*\"},\n" +
		"    {\"Effect\": \"Deny\", \"Action\": \"kms:Decrypt\",\n     \"Resource\": \"*\"}\n  ]\n}"
)

// simulation asks about one action of ann's on one resource.
func simulation(t *testing.T, kit *testkit.Kit, source, action, resource string, change ...func(*iamclient.SimulatePrincipalPolicyInput)) iamtypes.EvaluationResult {
	t.Helper()
	in := &iamclient.SimulatePrincipalPolicyInput{PolicySourceArn: &source, ActionNames: []string{action}, ResourceArns: []string{resource}}
	for _, c := range change {
		c(in)
	}
	out := must(kit.IAM().SimulatePrincipalPolicy(t.Context(), in))
	if len(out.EvaluationResults) != 1 || out.IsTruncated || *out.EvaluationResults[0].EvalActionName != action ||
		*out.EvaluationResults[0].EvalResourceName != resource {
		t.Errorf("%+v", out)
	}
	return out.EvaluationResults[0]
}

// TestSimulatePrincipal: the simulator sees what the gate sees, and says where
// each statement stands.
func TestSimulatePrincipal(t *testing.T) {
	kit := testkit.Start(t)
	ctx := t.Context()
	user, _ := kit.UserWithKey("ann")
	role := kit.RoleTrusting("ops", strings.ReplaceAll(trustOf, "WHO", user.ARN()))
	key := must(kit.KMS(region).CreateKey(ctx, &kmsclient.CreateKeyInput{})).KeyMetadata
	put := func(text string) {
		_ = must(kit.IAM().PutUserPolicy(ctx, &iamclient.PutUserPolicyInput{UserName: new("ann"), PolicyName: new("p"), PolicyDocument: &text}))
	}
	want := func(what string, r iamtypes.EvaluationResult, d iamtypes.PolicyEvaluationDecisionType, statements string) {
		t.Helper()
		if r.EvalDecision != d || shownMatches(r.MatchedStatements) != statements {
			t.Errorf("%s: %s %q, want %s %q", what, r.EvalDecision, shownMatches(r.MatchedStatements), d, statements)
		}
		if *r.EvalResourceName != "*" && (len(r.ResourceSpecificResults) != 1 || r.ResourceSpecificResults[0].EvalResourceDecision != d) {
			t.Errorf("%s: %+v", what, r.ResourceSpecificResults)
		}
	}
	const byKey = "default resource 4:19-12:4"
	want("nothing", simulation(t, kit, user.ARN(), "kms:Encrypt", *key.Arn), implicit, byKey)
	want("no resource", simulation(t, kit, user.ARN(), "kms:ListKeys", "*"), implicit, "")
	put(denyDecrypt)
	want("allowed", simulation(t, kit, user.ARN(), "kms:Encrypt", *key.Arn), allowed, byKey+"; user_ann_p user 4:5-4:60")
	want("denied", simulation(t, kit, user.ARN(), "kms:Decrypt", *key.Arn), explicit,
		byKey+"; user_ann_p user 4:5-4:60; user_ann_p user 5:5-6:22")
	want("no such key", simulation(t, kit, user.ARN(), "kms:Encrypt", strings.Replace(*key.Arn, *key.KeyId, "00000000-0000-4000-8000-000000000000", 1)),
		implicit, "user_ann_p user 4:5-4:60")
	want("to assume a role", simulation(t, kit, user.ARN(), "sts:AssumeRole", role.ARN()), allowed, "trust policy of ops resource 1:38-1:139")
	want("a role", simulation(t, kit, role.ARN(), "kms:Encrypt", *key.Arn), implicit, byKey)
	want("one more policy", simulation(t, kit, role.ARN(), "kms:Encrypt", *key.Arn, func(in *iamclient.SimulatePrincipalPolicyInput) {
		in.PolicyInputList = []string{allOfKMS}
	}), allowed, byKey+"; PolicyInputList.1 none 1:38-1:88")
	r := simulation(t, kit, user.ARN(), "kms:Encrypt", *key.Arn, func(in *iamclient.SimulatePrincipalPolicyInput) {
		in.PermissionsBoundaryPolicyInputList = []string{`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`}
	})
	want("a boundary", r, implicit, byKey+"; user_ann_p user 4:5-4:60")
	if r.PermissionsBoundaryDecisionDetail == nil || r.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary || r.OrganizationsDecisionDetail != nil {
		t.Errorf("%+v %+v", r.PermissionsBoundaryDecisionDetail, r.OrganizationsDecisionDetail)
	}
	want("another key policy", simulation(t, kit, user.ARN(), "kms:Encrypt", *key.Arn, func(in *iamclient.SimulatePrincipalPolicyInput) {
		in.ResourcePolicy = new(strings.Replace(administration, "kms:PutKeyPolicy", "kms:Decrypt", 1))
	}), implicit, "user_ann_p user 4:5-4:60")
	_ = must(kit.IAM().AttachUserPolicy(ctx, &iamclient.AttachUserPolicyInput{UserName: new("ann"), PolicyArn: new("arn:aws:iam::aws:policy/ReadOnlyAccess")}))
	r = simulation(t, kit, user.ARN(), "kms:ListKeys", "*")
	if m := r.MatchedStatements; len(m) != 2 || *m[1].SourcePolicyId != "ReadOnlyAccess" || m[1].SourcePolicyType != iamtypes.PolicySourceTypeAwsManaged {
		t.Errorf("%s", shownMatches(m))
	}
}

const trustOf = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"WHO"}}]}`

func shownMatches(all []iamtypes.Statement) string {
	var text []string
	for _, m := range all {
		at := func(p *iamtypes.Position) string {
			return strings.Join([]string{strconv.Itoa(int(p.Line)), strconv.Itoa(int(p.Column))}, ":")
		}
		text = append(text, *m.SourcePolicyId+" "+string(m.SourcePolicyType)+" "+at(m.StartPosition)+"-"+at(m.EndPosition))
	}
	return strings.Join(text, "; ")
}

// TestSimulateContext: what is known is known, what is given replaces it, and
// what is neither is named.
func TestSimulateContext(t *testing.T) {
	kit := testkit.Start(t)
	user, _ := kit.UserWithKey("ann", iam.Tag{Key: "dept", Value: "it"})
	given := func(condition string, entries ...iamtypes.ContextEntry) iamtypes.EvaluationResult {
		return simulation(t, kit, user.ARN(), "kms:ListKeys", "*", func(in *iamclient.SimulatePrincipalPolicyInput) {
			in.PolicyInputList = []string{`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{` + condition + `}}}`}
			in.ContextEntries = entries
		})
	}
	for what, c := range map[string]struct {
		result  iamtypes.EvaluationResult
		want    iamtypes.PolicyEvaluationDecisionType
		missing string
	}{
		"missing":       {given(`"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"Bool":{"aws:SecureTransport":"true"}`), implicit, "aws:SecureTransport aws:SourceIp"},
		"given":         {given(`"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`, entry("AWS:SourceIP", "ip", "10.1.2.3")), allowed, ""},
		"given, other":  {given(`"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`, entry("aws:SourceIp", "ip", "11.1.2.3")), implicit, ""},
		"a tag":         {given(`"StringEquals":{"aws:PrincipalTag/dept":"it","aws:username":"ann"}`), allowed, ""},
		"a tag to be":   {given(`"StringEquals":{"aws:PrincipalTag/dept":"it"}`, entry("aws:PrincipalTag/dept", "string", "hr")), implicit, ""},
		"a moment":      {given(`"DateLessThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}`), implicit, ""},
		"that moment":   {given(`"DateLessThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}`, entry("aws:CurrentTime", "date", "2019-01-01T00:00:00Z")), allowed, ""},
		"a list":        {given(`"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}`, entry("aws:TagKeys", "stringList", "a", "b")), allowed, ""},
		"another list":  {given(`"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}`, entry("aws:TagKeys", "stringList", "a", "c")), implicit, ""},
		"no value":      {given(`"Null":{"aws:TokenIssueTime":"true"}`), allowed, "aws:TokenIssueTime"},
		"variable":      {given(`"StringEquals":{"aws:username":"${aws:SourceIdentity}"}`), implicit, "aws:SourceIdentity"},
		"a number":      {given(`"NumericLessThan":{"kms:RotationPeriodInDays":"100"}`, entry("kms:RotationPeriodInDays", "numeric", "90")), allowed, ""},
		"a wrong value": {given(`"NumericLessThan":{"kms:RotationPeriodInDays":"100"}`, entry("kms:RotationPeriodInDays", "numeric", "few")), implicit, ""},
	} {
		if got := strings.Join(c.result.MissingContextValues, " "); c.result.EvalDecision != c.want || got != c.missing {
			t.Errorf("%s: %s, missing %q", what, c.result.EvalDecision, got)
		}
	}
}

// TestSimulateCustom: only what is given counts; it discloses nobody's policies.
func TestSimulateCustom(t *testing.T) {
	kit := testkit.Start(t, testkit.WithGuardrails(authz.Guardrails{SCP: [][]*policy.Policy{{must(policy.Load("scp",
		[]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"kms:Decrypt","Resource":"*"}}`), policy.SCP))}}}))
	ctx, key := t.Context(), "arn:aws:kms:eu-1:111122223333:key/"+kit.NewKey(region)
	user, _ := kit.UserWithKey("ann")
	custom := func(in iamclient.SimulateCustomPolicyInput) *iamclient.SimulateCustomPolicyOutput {
		t.Helper()
		return must(kit.IAM().SimulateCustomPolicy(ctx, &in))
	}
	direct := strings.Replace(administration, `"111122223333"`, `"`+user.ARN()+`"`, 1)
	foreign := "arn:aws:iam::999988887777:user/eve"
	for what, c := range map[string]struct {
		in      iamclient.SimulateCustomPolicyInput
		want    iamtypes.PolicyEvaluationDecisionType
		details string
	}{
		"the policy alone":   {iamclient.SimulateCustomPolicyInput{PolicyInputList: []string{allOfKMS}, ResourceArns: []string{key}}, allowed, ""},
		"not the guardrails": {iamclient.SimulateCustomPolicyInput{PolicyInputList: []string{allOfKMS}, ResourceArns: []string{key}, ActionNames: []string{"kms:Decrypt"}}, allowed, ""},
		"a key policy":       {iamclient.SimulateCustomPolicyInput{PolicyInputList: []string{allOfKMS}, ResourceArns: []string{key}, ResourcePolicy: &direct}, implicit, ""},
		"that names somebody": {iamclient.SimulateCustomPolicyInput{PolicyInputList: []string{denyDecrypt}, ResourceArns: []string{key},
			ResourcePolicy: &direct, CallerArn: new(user.ARN())}, allowed, ""},
		"of another account": {iamclient.SimulateCustomPolicyInput{PolicyInputList: []string{denyDecrypt}, ResourceArns: []string{key},
			ResourcePolicy: new(strings.ReplaceAll(direct, user.ARN(), foreign)), CallerArn: &foreign}, allowed, "IAM Policy=allowed Resource Policy=allowed"},
		"of another, denied": {iamclient.SimulateCustomPolicyInput{PolicyInputList: []string{denyDecrypt}, ResourceArns: []string{key},
			ResourcePolicy: &direct, CallerArn: &foreign}, implicit, "IAM Policy=allowed Resource Policy=implicitDeny"},
	} {
		if c.in.ActionNames == nil {
			c.in.ActionNames = []string{"kms:DescribeKey"}
		}
		r := custom(c.in).EvaluationResults[0]
		details := ""
		if len(r.EvalDecisionDetails) > 0 {
			details = "IAM Policy=" + string(r.EvalDecisionDetails["IAM Policy"]) + " Resource Policy=" + string(r.EvalDecisionDetails["Resource Policy"])
		}
		if r.EvalDecision != c.want || details != c.details {
			t.Errorf("%s: %s %q", what, r.EvalDecision, details)
		}
	}
	// A user is under the guardrails, a group like its members.
	kit.Update(func(tx store.Tx) error {
		if _, err := kit.Identities.CreateGroup(tx, "staff", "/"); err != nil {
			return err
		}
		return kit.Identities.PutInlinePolicy(tx, iam.Holder{Kind: iam.KindGroup, Name: "staff"}, "g", allOfKMS)
	})
	group := "arn:aws:iam::111122223333:group/staff"
	if r := simulation(t, kit, group, "kms:Encrypt", key); r.EvalDecision != allowed || !r.OrganizationsDecisionDetail.AllowedByOrganizations {
		t.Errorf("group: %s %+v", r.EvalDecision, r.OrganizationsDecisionDetail)
	}
	if r := simulation(t, kit, group, "kms:Decrypt", key); r.EvalDecision != implicit || r.OrganizationsDecisionDetail.AllowedByOrganizations {
		t.Errorf("group: %s %+v", r.EvalDecision, r.OrganizationsDecisionDetail)
	}
}

// TestSimulatePages: every pair of action and resource comes once, in order.
func TestSimulatePages(t *testing.T) {
	kit := testkit.Start(t)
	in := &iamclient.SimulateCustomPolicyInput{
		PolicyInputList: []string{allOfKMS}, ActionNames: []string{"kms:Encrypt", "kms:Decrypt", "s3:GetObject"},
		ResourceArns: []string{"arn:aws:kms:eu-1:111122223333:key/a", "arn:aws:kms:eu-1:111122223333:key/b"}, MaxItems: aws.Int32(4),
	}
	var got []string
	sizes := ""
	for p := iamclient.NewSimulateCustomPolicyPaginator(kit.IAM(), in); p.HasMorePages(); {
		out := must(p.NextPage(t.Context()))
		sizes += strconv.Itoa(len(out.EvaluationResults)) + " "
		for _, r := range out.EvaluationResults {
			got = append(got, strings.TrimPrefix(*r.EvalActionName, "kms:")+(*r.EvalResourceName)[len(*r.EvalResourceName)-1:]+string(r.EvalDecision[:1]))
		}
	}
	if text := strings.Join(got, " "); sizes != "4 2 " || text != "Encryptaa Encryptba Decryptaa Decryptba s3:GetObjectai s3:GetObjectbi" {
		t.Errorf("pages of %s: %s", sizes, text)
	}
	first := must(kit.IAM().SimulateCustomPolicy(t.Context(), in))
	other := *in
	other.ActionNames, other.Marker = []string{"kms:Encrypt"}, first.Marker
	_, err := kit.IAM().SimulateCustomPolicy(t.Context(), &other)
	refused(t, "marker of another question", err, "ValidationError", "Invalid Marker.")
}

// TestSimulateRefused: the errors of the model, and the gate's.
func TestSimulateRefused(t *testing.T) {
	kit := testkit.Start(t)
	user, key := kit.UserWithKey("ann")
	for what, c := range map[string]struct {
		change     func(*iamclient.SimulatePrincipalPolicyInput)
		code, text string
	}{
		"nobody": {func(in *iamclient.SimulatePrincipalPolicyInput) { in.PolicySourceArn = new(user.ARN() + "x") }, "NoSuchEntity", "annx cannot be found"},
		"no entity": {func(in *iamclient.SimulatePrincipalPolicyInput) {
			in.PolicySourceArn = new("arn:aws:iam::111122223333:root")
		}, "NoSuchEntity", "root"},
		"no action":     {func(in *iamclient.SimulatePrincipalPolicyInput) { in.ActionNames = []string{"kms"} }, "InvalidInput", "Invalid Action: kms"},
		"a pattern":     {func(in *iamclient.SimulatePrincipalPolicyInput) { in.ActionNames = []string{"kms:*"} }, "InvalidInput", "Invalid Action: kms:*"},
		"no policy":     {func(in *iamclient.SimulatePrincipalPolicyInput) { in.PolicyInputList = []string{allOfKMS, "{"} }, "InvalidInput", "PolicyInputList.2: Syntax errors in policy."},
		"no key policy": {func(in *iamclient.SimulatePrincipalPolicyInput) { in.ResourcePolicy = new(allOfKMS) }, "InvalidInput", "ResourcePolicy: "},
		"two boundaries": {func(in *iamclient.SimulatePrincipalPolicyInput) {
			in.PermissionsBoundaryPolicyInputList = []string{allOfKMS, allOfKMS}
		}, "InvalidInput", "only one"},
		"no caller": {func(in *iamclient.SimulatePrincipalPolicyInput) { in.CallerArn = new("ann") }, "InvalidInput", "Invalid Caller ARN: ann"},
		"two values": {func(in *iamclient.SimulatePrincipalPolicyInput) {
			in.ContextEntries = []iamtypes.ContextEntry{entry("aws:username", "string", "a", "b")}
		}, "InvalidInput", "aws:username"},
	} {
		in := &iamclient.SimulatePrincipalPolicyInput{PolicySourceArn: new(user.ARN()), ActionNames: []string{"kms:ListKeys"}}
		c.change(in)
		_, err := kit.IAM().SimulatePrincipalPolicy(t.Context(), in)
		refused(t, what, err, c.code, c.text)
	}
	_, err := kit.IAMWith(key).SimulatePrincipalPolicy(t.Context(), &iamclient.SimulatePrincipalPolicyInput{
		PolicySourceArn: new(user.ARN()), ActionNames: []string{"kms:ListKeys"}})
	refused(t, "ann", err, "AccessDenied", "not authorized to perform: iam:SimulatePrincipalPolicy on resource: "+user.ARN())
	_, err = kit.IAMWith(key).SimulateCustomPolicy(t.Context(), &iamclient.SimulateCustomPolicyInput{
		PolicyInputList: []string{allOfKMS}, ActionNames: []string{"kms:ListKeys"}})
	refused(t, "ann", err, "AccessDenied", "not authorized to perform: iam:SimulateCustomPolicy on resource: *")
}
