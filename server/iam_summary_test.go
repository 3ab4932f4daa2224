package server_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
)

func TestAccountSummary(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	newPolicy(t, c)
	three(t, c)
	got := done(c.GetAccountSummary(ctx, &iamclient.GetAccountSummaryInput{}))(t).SummaryMap
	for key, want := range map[string]int32{
		"Users": 1, "Groups": 1, "Roles": 1, "Policies": 1, "PolicyVersionsInUse": 1, "Providers": 0, "MFADevices": 0,
		"AccountAccessKeysPresent": 1, "AccessKeysPerUserQuota": 2, "VersionsPerPolicyQuota": 5, "PolicySizeQuota": 20480,
		"UsersQuota": 1<<31 - 1, "GlobalEndpointTokenVersion": 1,
	} {
		if n, ok := got[key]; !ok || n != want {
			t.Errorf("%s = %d, want %d", key, n, want)
		}
	}
	if len(got) != 34 { // AWS's
		t.Errorf("%d keys", len(got))
	}
}

func TestAuthorizationDetails(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	newPolicy(t, c)
	bob, ops, deploy := three(t, c)
	arn, doc, p := aws.String(policyARN), aws.String(oddPolicy), aws.String("p")
	done(c.AddUserToGroup(ctx, &iamclient.AddUserToGroupInput{GroupName: ops, UserName: bob}))(t)
	done(c.TagUser(ctx, &iamclient.TagUserInput{UserName: bob, Tags: []types.Tag{{Key: p, Value: p}}}))(t)
	done(c.PutUserPolicy(ctx, &iamclient.PutUserPolicyInput{UserName: bob, PolicyName: p, PolicyDocument: doc}))(t)
	done(c.PutGroupPolicy(ctx, &iamclient.PutGroupPolicyInput{GroupName: ops, PolicyName: p, PolicyDocument: doc}))(t)
	done(c.PutRolePolicy(ctx, &iamclient.PutRolePolicyInput{RoleName: deploy, PolicyName: p, PolicyDocument: doc}))(t)
	done(c.AttachRolePolicy(ctx, &iamclient.AttachRolePolicyInput{RoleName: deploy, PolicyArn: arn}))(t)
	done(c.PutRolePermissionsBoundary(ctx, &iamclient.PutRolePermissionsBoundaryInput{RoleName: deploy, PermissionsBoundary: arn}))(t)

	names := func(filter ...types.EntityType) string {
		var all []string
		in := &iamclient.GetAccountAuthorizationDetailsInput{Filter: filter, MaxItems: aws.Int32(1)}
		for pages := iamclient.NewGetAccountAuthorizationDetailsPaginator(c, in); pages.HasMorePages(); {
			page := done(pages.NextPage(ctx))(t)
			for _, u := range page.UserDetailList {
				all = append(all, *u.UserName)
			}
			for _, g := range page.GroupDetailList {
				all = append(all, *g.GroupName)
			}
			for _, r := range page.RoleDetailList {
				all = append(all, *r.RoleName)
			}
			for _, p := range page.Policies {
				all = append(all, *p.PolicyName)
			}
		}
		return strings.Join(all, " ")
	}
	const shipped = "AWSKeyManagementServicePowerUser AdministratorAccess IAMFullAccess IAMReadOnlyAccess PowerUserAccess ReadOnlyAccess"
	got := []string{names(), names(types.EntityTypeRole, types.EntityTypeUser), names(types.EntityTypeGroup),
		names(types.EntityTypeLocalManagedPolicy), names(types.EntityTypeAWSManagedPolicy)}
	want := []string{"bob ops deploy Readers " + shipped, "bob deploy", "ops", "Readers", shipped}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	all := done(c.GetAccountAuthorizationDetails(ctx, &iamclient.GetAccountAuthorizationDetailsInput{}))(t)
	u, g, r, m := all.UserDetailList[0], all.GroupDetailList[0], all.RoleDetailList[0], all.Policies[0]
	if u.GroupList[0] != "ops" || len(u.Tags) != 1 || decoded(t, u.UserPolicyList[0].PolicyDocument) != oddPolicy {
		t.Errorf("%+v", u)
	}
	if decoded(t, g.GroupPolicyList[0].PolicyDocument) != oddPolicy || *g.Arn != "arn:aws:iam::111122223333:group/ops" {
		t.Errorf("%+v", g)
	}
	if decoded(t, r.RolePolicyList[0].PolicyDocument) != oddPolicy || *r.AttachedManagedPolicies[0].PolicyArn != policyARN ||
		*r.PermissionsBoundary.PermissionsBoundaryArn != policyARN || decoded(t, r.AssumeRolePolicyDocument) != trustRoot || r.RoleLastUsed == nil {
		t.Errorf("%+v", r)
	}
	if decoded(t, m.PolicyVersionList[0].Document) != oddPolicy || *m.AttachmentCount != 1 || *m.PermissionsBoundaryUsageCount != 1 {
		t.Errorf("%+v", m)
	}
}

// TestPoliciesNeedRights: each operation on policies is refused to a user without
// any, on the ARN of what is stored.
func TestPoliciesNeedRights(t *testing.T) {
	kit := testkit.Start(t)
	root, ctx := kit.IAM(), t.Context()
	newPolicy(t, root)
	three(t, root)
	key := done(root.CreateAccessKey(ctx, &iamclient.CreateAccessKeyInput{UserName: aws.String("bob")}))(t).AccessKey
	c := kit.IAMAs(iam.Credentials{ID: *key.AccessKeyId, Secret: iam.Secret(*key.SecretAccessKey)})
	bob, ops, deploy, none, p, doc, arn, v1 := aws.String("BOB"), aws.String("OPS"), aws.String("Deploy"), aws.String("none"),
		aws.String("p"), aws.String(allowAll), aws.String(policyARN), aws.String("v1")
	missing, user := aws.String("arn:aws:iam::111122223333:policy/none"), aws.String("arn:aws:iam::111122223333:user/bob")
	job := aws.String("0190b6e8-0000-7000-8000-000000000000")
	for _, row := range []struct {
		action, resource string
		err              error
	}{
		{"CreatePolicy", "policy/x/p", second(c.CreatePolicy(ctx, &iamclient.CreatePolicyInput{PolicyName: p, Path: aws.String("/x/"), PolicyDocument: doc}))},
		{"GetPolicy", "policy/team/Readers", second(c.GetPolicy(ctx, &iamclient.GetPolicyInput{PolicyArn: arn}))},
		{"GetPolicy", "policy/none", second(c.GetPolicy(ctx, &iamclient.GetPolicyInput{PolicyArn: missing}))},
		{"DeletePolicy", "policy/none", second(c.DeletePolicy(ctx, &iamclient.DeletePolicyInput{PolicyArn: missing}))},
		{"ListPolicies", "*", second(c.ListPolicies(ctx, &iamclient.ListPoliciesInput{}))},
		{"CreatePolicyVersion", "policy/team/Readers", second(c.CreatePolicyVersion(ctx, &iamclient.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: doc}))},
		{"GetPolicyVersion", "policy/team/Readers", second(c.GetPolicyVersion(ctx, &iamclient.GetPolicyVersionInput{PolicyArn: arn, VersionId: v1}))},
		{"ListPolicyVersions", "policy/team/Readers", second(c.ListPolicyVersions(ctx, &iamclient.ListPolicyVersionsInput{PolicyArn: arn}))},
		{"DeletePolicyVersion", "policy/team/Readers", second(c.DeletePolicyVersion(ctx, &iamclient.DeletePolicyVersionInput{PolicyArn: arn, VersionId: v1}))},
		{"SetDefaultPolicyVersion", "policy/team/Readers", second(c.SetDefaultPolicyVersion(ctx, &iamclient.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: v1}))},
		{"TagPolicy", "policy/team/Readers", second(c.TagPolicy(ctx, &iamclient.TagPolicyInput{PolicyArn: arn, Tags: []types.Tag{{Key: p, Value: p}}}))},
		{"UntagPolicy", "policy/team/Readers", second(c.UntagPolicy(ctx, &iamclient.UntagPolicyInput{PolicyArn: arn, TagKeys: []string{"k"}}))},
		{"ListPolicyTags", "policy/team/Readers", second(c.ListPolicyTags(ctx, &iamclient.ListPolicyTagsInput{PolicyArn: arn}))},
		{"ListEntitiesForPolicy", "policy/team/Readers", second(c.ListEntitiesForPolicy(ctx, &iamclient.ListEntitiesForPolicyInput{PolicyArn: arn}))},
		{"AttachUserPolicy", "user/bob", second(c.AttachUserPolicy(ctx, &iamclient.AttachUserPolicyInput{UserName: bob, PolicyArn: missing}))},
		{"AttachGroupPolicy", "group/ops", second(c.AttachGroupPolicy(ctx, &iamclient.AttachGroupPolicyInput{GroupName: ops, PolicyArn: arn}))},
		{"AttachRolePolicy", "role/none", second(c.AttachRolePolicy(ctx, &iamclient.AttachRolePolicyInput{RoleName: none, PolicyArn: arn}))},
		{"DetachUserPolicy", "user/bob", second(c.DetachUserPolicy(ctx, &iamclient.DetachUserPolicyInput{UserName: bob, PolicyArn: arn}))},
		{"DetachGroupPolicy", "group/ops", second(c.DetachGroupPolicy(ctx, &iamclient.DetachGroupPolicyInput{GroupName: ops, PolicyArn: arn}))},
		{"DetachRolePolicy", "role/deploy", second(c.DetachRolePolicy(ctx, &iamclient.DetachRolePolicyInput{RoleName: deploy, PolicyArn: arn}))},
		{"ListAttachedUserPolicies", "user/bob", second(c.ListAttachedUserPolicies(ctx, &iamclient.ListAttachedUserPoliciesInput{UserName: bob}))},
		{"ListAttachedGroupPolicies", "group/ops", second(c.ListAttachedGroupPolicies(ctx, &iamclient.ListAttachedGroupPoliciesInput{GroupName: ops}))},
		{"ListAttachedRolePolicies", "role/deploy", second(c.ListAttachedRolePolicies(ctx, &iamclient.ListAttachedRolePoliciesInput{RoleName: deploy}))},
		{"PutUserPolicy", "user/bob", second(c.PutUserPolicy(ctx, &iamclient.PutUserPolicyInput{UserName: bob, PolicyName: p, PolicyDocument: doc}))},
		{"PutGroupPolicy", "group/ops", second(c.PutGroupPolicy(ctx, &iamclient.PutGroupPolicyInput{GroupName: ops, PolicyName: p, PolicyDocument: doc}))},
		{"PutRolePolicy", "role/deploy", second(c.PutRolePolicy(ctx, &iamclient.PutRolePolicyInput{RoleName: deploy, PolicyName: p, PolicyDocument: doc}))},
		{"GetUserPolicy", "user/none", second(c.GetUserPolicy(ctx, &iamclient.GetUserPolicyInput{UserName: none, PolicyName: p}))},
		{"GetGroupPolicy", "group/ops", second(c.GetGroupPolicy(ctx, &iamclient.GetGroupPolicyInput{GroupName: ops, PolicyName: p}))},
		{"GetRolePolicy", "role/deploy", second(c.GetRolePolicy(ctx, &iamclient.GetRolePolicyInput{RoleName: deploy, PolicyName: p}))},
		{"DeleteUserPolicy", "user/bob", second(c.DeleteUserPolicy(ctx, &iamclient.DeleteUserPolicyInput{UserName: bob, PolicyName: p}))},
		{"DeleteGroupPolicy", "group/ops", second(c.DeleteGroupPolicy(ctx, &iamclient.DeleteGroupPolicyInput{GroupName: ops, PolicyName: p}))},
		{"DeleteRolePolicy", "role/deploy", second(c.DeleteRolePolicy(ctx, &iamclient.DeleteRolePolicyInput{RoleName: deploy, PolicyName: p}))},
		{"ListUserPolicies", "user/bob", second(c.ListUserPolicies(ctx, &iamclient.ListUserPoliciesInput{UserName: bob}))},
		{"ListGroupPolicies", "group/ops", second(c.ListGroupPolicies(ctx, &iamclient.ListGroupPoliciesInput{GroupName: ops}))},
		{"ListRolePolicies", "role/deploy", second(c.ListRolePolicies(ctx, &iamclient.ListRolePoliciesInput{RoleName: deploy}))},
		{"PutUserPermissionsBoundary", "user/bob", second(c.PutUserPermissionsBoundary(ctx, &iamclient.PutUserPermissionsBoundaryInput{UserName: bob, PermissionsBoundary: arn}))},
		{"DeleteUserPermissionsBoundary", "user/bob", second(c.DeleteUserPermissionsBoundary(ctx, &iamclient.DeleteUserPermissionsBoundaryInput{UserName: bob}))},
		{"PutRolePermissionsBoundary", "role/deploy", second(c.PutRolePermissionsBoundary(ctx, &iamclient.PutRolePermissionsBoundaryInput{RoleName: deploy, PermissionsBoundary: arn}))},
		{"DeleteRolePermissionsBoundary", "role/deploy", second(c.DeleteRolePermissionsBoundary(ctx, &iamclient.DeleteRolePermissionsBoundaryInput{RoleName: deploy}))},
		{"GetAccountSummary", "*", second(c.GetAccountSummary(ctx, &iamclient.GetAccountSummaryInput{}))},
		{"GetAccountAuthorizationDetails", "*", second(c.GetAccountAuthorizationDetails(ctx, &iamclient.GetAccountAuthorizationDetailsInput{}))},
		{"GenerateCredentialReport", "*", second(c.GenerateCredentialReport(ctx, &iamclient.GenerateCredentialReportInput{}))},
		{"GetCredentialReport", "*", second(c.GetCredentialReport(ctx, &iamclient.GetCredentialReportInput{}))},
		{"GenerateServiceLastAccessedDetails", "policy/team/Readers", second(c.GenerateServiceLastAccessedDetails(ctx, &iamclient.GenerateServiceLastAccessedDetailsInput{Arn: arn}))},
		{"GetServiceLastAccessedDetails", "*", second(c.GetServiceLastAccessedDetails(ctx, &iamclient.GetServiceLastAccessedDetailsInput{JobId: job}))},
		{"GetServiceLastAccessedDetailsWithEntities", "*", second(c.GetServiceLastAccessedDetailsWithEntities(ctx,
			&iamclient.GetServiceLastAccessedDetailsWithEntitiesInput{JobId: job, ServiceNamespace: aws.String("kms")}))},
		{"ListPoliciesGrantingServiceAccess", "user/bob", second(c.ListPoliciesGrantingServiceAccess(ctx,
			&iamclient.ListPoliciesGrantingServiceAccessInput{Arn: user, ServiceNamespaces: []string{"kms"}}))},
		{"GetContextKeysForCustomPolicy", "*", second(c.GetContextKeysForCustomPolicy(ctx, &iamclient.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{allowAll}}))},
		{"GetContextKeysForPrincipalPolicy", "user/bob", second(c.GetContextKeysForPrincipalPolicy(ctx, &iamclient.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: user}))},
	} {
		resource := "arn:aws:iam::111122223333:" + row.resource
		if row.resource == "*" {
			resource = "*"
		}
		want := "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: iam:" + row.action + " on resource: " + resource + " because"
		var refusal smithy.APIError
		if !errors.As(row.err, &refusal) || refusal.ErrorCode() != "AccessDenied" || !strings.HasPrefix(refusal.ErrorMessage(), want) {
			t.Errorf("got  %v\nwant %s", row.err, want)
		}
	}
}
