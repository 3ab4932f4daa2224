package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

const (
	allowAll  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	oddPolicy = `{"Version":"2012-10-17", "Statement":[{"Sid":"A1","Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:*:*:key/ü~+&"}]}`
	policyARN = "arn:aws:iam::111122223333:policy/team/Readers"
	shippedRO = "arn:aws:iam::aws:policy/ReadOnlyAccess"
)

// decoded is a document as clients get it out of its percent encoding.
func decoded(t *testing.T, document *string) string {
	t.Helper()
	text, err := url.PathUnescape(aws.ToString(document))
	if err != nil || strings.ContainsAny(*document, " +\"{/") {
		t.Errorf("document %q: %v", aws.ToString(document), err)
	}
	return text
}

func newPolicy(t *testing.T, c *iamclient.Client) {
	t.Helper()
	done(c.CreatePolicy(t.Context(), &iamclient.CreatePolicyInput{
		PolicyName: aws.String("Readers"), Path: aws.String("/team/"), PolicyDocument: aws.String(oddPolicy),
	}))(t)
}

func TestManagedPolicies(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	made := done(c.CreatePolicy(ctx, &iamclient.CreatePolicyInput{
		PolicyName: aws.String("Readers"), Path: aws.String("/team/"), PolicyDocument: aws.String(oddPolicy),
		Description: aws.String("who reads"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}))(t).Policy
	got := done(c.GetPolicy(ctx, &iamclient.GetPolicyInput{PolicyArn: made.Arn}))(t).Policy
	if *made.Arn != policyARN || made.Description != nil || *got.Description != "who reads" || len(got.Tags) != 1 ||
		*got.DefaultVersionId != "v1" || !got.IsAttachable || *got.AttachmentCount != 0 || *got.PermissionsBoundaryUsageCount != 0 ||
		!got.CreateDate.Equal(*got.UpdateDate) || *got.Path != "/team/" || !strings.HasPrefix(*got.PolicyId, "ANPA") {
		t.Errorf("%+v\n%+v", made, got)
	}
	v := done(c.GetPolicyVersion(ctx, &iamclient.GetPolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v1")}))(t).PolicyVersion
	if decoded(t, v.Document) != oddPolicy || !v.IsDefaultVersion {
		t.Errorf("%+v", v)
	}
	made2 := done(c.CreatePolicyVersion(ctx, &iamclient.CreatePolicyVersionInput{
		PolicyArn: made.Arn, PolicyDocument: aws.String(allowAll), SetAsDefault: true,
	}))(t).PolicyVersion
	if *made2.VersionId != "v2" || !made2.IsDefaultVersion || made2.Document != nil {
		t.Errorf("%+v", made2)
	}
	done(c.SetDefaultPolicyVersion(ctx, &iamclient.SetDefaultPolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v1")}))(t)
	all := done(c.ListPolicyVersions(ctx, &iamclient.ListPolicyVersionsInput{PolicyArn: made.Arn, MaxItems: aws.Int32(1)}))(t)
	rest := done(c.ListPolicyVersions(ctx, &iamclient.ListPolicyVersionsInput{PolicyArn: made.Arn, Marker: all.Marker}))(t)
	if !all.IsTruncated || len(all.Versions) != 1 || *all.Versions[0].VersionId != "v2" || rest.IsTruncated || !rest.Versions[0].IsDefaultVersion {
		t.Errorf("%+v\n%+v", all, rest)
	}
	iamCase{"DeleteConflict", 409, "Cannot delete the default version of a policy."}.check(t, second(
		c.DeletePolicyVersion(ctx, &iamclient.DeletePolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v1")})))
	done(c.DeletePolicyVersion(ctx, &iamclient.DeletePolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v2")}))(t)
	iamCase{"NoSuchEntity", 404, "Policy " + policyARN + " version v2 does not exist or is not attachable."}.check(t, second(
		c.GetPolicyVersion(ctx, &iamclient.GetPolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v2")})))

	done(c.TagPolicy(ctx, &iamclient.TagPolicyInput{PolicyArn: made.Arn, Tags: []types.Tag{{Key: aws.String("A"), Value: aws.String("")}}}))(t)
	tags := done(c.ListPolicyTags(ctx, &iamclient.ListPolicyTagsInput{PolicyArn: made.Arn, MaxItems: aws.Int32(1)}))(t)
	more := done(c.ListPolicyTags(ctx, &iamclient.ListPolicyTagsInput{PolicyArn: made.Arn, Marker: tags.Marker}))(t)
	if len(tags.Tags) != 1 || *tags.Tags[0].Key != "A" || *tags.Tags[0].Value != "" || !tags.IsTruncated || *more.Tags[0].Key != "k" {
		t.Errorf("%+v %+v", tags, more)
	}
	done(c.UntagPolicy(ctx, &iamclient.UntagPolicyInput{PolicyArn: made.Arn, TagKeys: []string{"A", "k"}}))(t)
	done(c.DeletePolicy(ctx, &iamclient.DeletePolicyInput{PolicyArn: made.Arn}))(t)
	iamCase{"NoSuchEntity", 404, "Policy " + policyARN + " was not found."}.check(t, second(
		c.GetPolicy(ctx, &iamclient.GetPolicyInput{PolicyArn: made.Arn})))
}

// second is the error of a call.
func second(_ any, err error) error { return err }

func TestManagedPolicyRefusals(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	newPolicy(t, c)
	create := func(name, document string, tags ...string) error {
		in := &iamclient.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document}
		for _, k := range tags {
			in.Tags = append(in.Tags, types.Tag{Key: aws.String(k), Value: aws.String("")})
		}
		return second(c.CreatePolicy(ctx, in))
	}
	iamCase{"EntityAlreadyExists", 409, "A policy called readers already exists. Duplicate names are not allowed."}.check(t, create("readers", allowAll))
	iamCase{"MalformedPolicyDocument", 400, "Syntax errors in policy."}.check(t, create("x", "{"))
	iamCase{"InvalidInput", 400, "Duplicate tag keys found."}.check(t, create("x", allowAll, "a", "a"))
	iamCase{"LimitExceeded", 409, "Cannot exceed quota for PolicySize: 20480"}.check(t, create("x",
		strings.Replace(allowAll, `"Effect"`, `"Sid":"`+strings.Repeat("x", 20_480)+`","Effect"`, 1)))
	iamCase{"InvalidInput", 400, "ARN arn:aws:iam::111122223333:user/bob is not valid."}.check(t, second(
		c.GetPolicy(ctx, &iamclient.GetPolicyInput{PolicyArn: aws.String("arn:aws:iam::111122223333:user/bob")})))
	for range 4 {
		done(c.CreatePolicyVersion(ctx, &iamclient.CreatePolicyVersionInput{PolicyArn: aws.String(policyARN), PolicyDocument: aws.String(allowAll)}))(t)
	}
	iamCase{"LimitExceeded", 409, "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version."}.
		check(t, second(c.CreatePolicyVersion(ctx, &iamclient.CreatePolicyVersionInput{PolicyArn: aws.String(policyARN), PolicyDocument: aws.String(allowAll)})))
	iamCase{"DeleteConflict", 409, "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. " +
		"The default version is deleted with the policy."}.check(t, second(c.DeletePolicy(ctx, &iamclient.DeletePolicyInput{PolicyArn: aws.String(policyARN)})))
	iamCase{"ValidationError", 400, "Invalid Marker."}.check(t, second(c.ListPolicies(ctx, &iamclient.ListPoliciesInput{Marker: aws.String("x")})))

	// Shipped policies are refused to the root user too.
	arn := aws.String(shippedRO)
	for action, err := range map[string]error{
		"DeletePolicy":            second(c.DeletePolicy(ctx, &iamclient.DeletePolicyInput{PolicyArn: arn})),
		"CreatePolicyVersion":     second(c.CreatePolicyVersion(ctx, &iamclient.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(allowAll)})),
		"DeletePolicyVersion":     second(c.DeletePolicyVersion(ctx, &iamclient.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")})),
		"SetDefaultPolicyVersion": second(c.SetDefaultPolicyVersion(ctx, &iamclient.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")})),
		"TagPolicy":               second(c.TagPolicy(ctx, &iamclient.TagPolicyInput{PolicyArn: arn, Tags: []types.Tag{{Key: aws.String("k"), Value: arn}}})),
		"UntagPolicy":             second(c.UntagPolicy(ctx, &iamclient.UntagPolicyInput{PolicyArn: arn, TagKeys: []string{"k"}})),
	} {
		iamCase{"AccessDenied", http.StatusForbidden, "User: arn:aws:iam::111122223333:root is not authorized to perform: iam:" + action +
			" on resource: policy " + shippedRO}.check(t, err)
	}
}

func TestListManagedPolicies(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	newPolicy(t, c)
	done(c.CreateUser(ctx, &iamclient.CreateUserInput{UserName: aws.String("bob"), PermissionsBoundary: aws.String(shippedRO)}))(t)
	done(c.AttachUserPolicy(ctx, &iamclient.AttachUserPolicyInput{UserName: aws.String("bob"), PolicyArn: aws.String(policyARN)}))(t)
	names := func(in iamclient.ListPoliciesInput) string {
		in.MaxItems = aws.Int32(2)
		var all []string
		for pages := iamclient.NewListPoliciesPaginator(c, &in); pages.HasMorePages(); {
			for _, p := range done(pages.NextPage(ctx))(t).Policies {
				all = append(all, *p.PolicyName)
			}
		}
		return strings.Join(all, " ")
	}
	const shipped = "AWSKeyManagementServicePowerUser AdministratorAccess IAMFullAccess IAMReadOnlyAccess PowerUserAccess ReadOnlyAccess"
	got := []string{
		names(iamclient.ListPoliciesInput{}),
		names(iamclient.ListPoliciesInput{Scope: types.PolicyScopeTypeAws}),
		names(iamclient.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}),
		names(iamclient.ListPoliciesInput{OnlyAttached: true}),
		names(iamclient.ListPoliciesInput{PathPrefix: aws.String("/team/")}),
		names(iamclient.ListPoliciesInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}),
		names(iamclient.ListPoliciesInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsPolicy}),
	}
	want := []string{"Readers " + shipped, shipped, "Readers", "Readers", "Readers", "ReadOnlyAccess", "Readers"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestContextKeys(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	document := func(resource, conditions string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"` + resource + `","Condition":{` + conditions + `}}}`
	}
	one := document("arn:aws:iam::*:user/${aws:username}", `"StringEquals":{"aws:PrincipalTag/dept":"${aws:RequestTag/a, 'x'}${*}"}`)
	two := document("*", `"Bool":{"AWS:PrincipalTag/Dept":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"7"}`)
	got := done(c.GetContextKeysForCustomPolicy(ctx, &iamclient.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{one, two}}))(t)
	want := []string{"aws:MultiFactorAuthAge", "aws:PrincipalTag/dept", "aws:RequestTag/a", "aws:username"}
	if diff := cmp.Diff(want, got.ContextKeyNames); diff != "" {
		t.Error(diff)
	}
	iamCase{"InvalidInput", 400, "Syntax errors in policy."}.check(t, second(
		c.GetContextKeysForCustomPolicy(ctx, &iamclient.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{"{"}})))

	user := done(c.CreateUser(ctx, &iamclient.CreateUserInput{UserName: aws.String("bob")}))(t).User
	done(c.CreateGroup(ctx, &iamclient.CreateGroupInput{GroupName: aws.String("ops")}))(t)
	done(c.AddUserToGroup(ctx, &iamclient.AddUserToGroupInput{GroupName: aws.String("ops"), UserName: aws.String("bob")}))(t)
	done(c.PutGroupPolicy(ctx, &iamclient.PutGroupPolicyInput{GroupName: aws.String("ops"), PolicyName: aws.String("p"), PolicyDocument: &one}))(t)
	of := done(c.GetContextKeysForPrincipalPolicy(ctx, &iamclient.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: user.Arn, PolicyInputList: []string{two}}))(t)
	want[1] = "AWS:PrincipalTag/Dept" // as the first of them writes it
	want[0], want[1] = want[1], want[0]
	if diff := cmp.Diff(want, of.ContextKeyNames); diff != "" {
		t.Error(diff)
	}
	iamCase{"NoSuchEntity", 404, "The user with name none cannot be found."}.check(t, second(c.GetContextKeysForPrincipalPolicy(ctx,
		&iamclient.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: aws.String("arn:aws:iam::111122223333:user/none")})))
}
