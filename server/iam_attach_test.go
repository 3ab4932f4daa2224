package server_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

// three makes a user bob, a group ops and a role deploy.
func three(t *testing.T, c *iamclient.Client) (bob, ops, deploy *string) {
	t.Helper()
	bob, ops, deploy = aws.String("bob"), aws.String("ops"), aws.String("deploy")
	done(c.CreateUser(t.Context(), &iamclient.CreateUserInput{UserName: bob}))(t)
	done(c.CreateGroup(t.Context(), &iamclient.CreateGroupInput{GroupName: ops}))(t)
	done(c.CreateRole(t.Context(), &iamclient.CreateRoleInput{RoleName: deploy, AssumeRolePolicyDocument: aws.String(trustRoot)}))(t)
	return bob, ops, deploy
}

func TestAttachPolicies(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	newPolicy(t, c)
	bob, ops, deploy := three(t, c)
	for _, arn := range []string{policyARN, shippedRO} {
		done(c.AttachUserPolicy(ctx, &iamclient.AttachUserPolicyInput{UserName: bob, PolicyArn: &arn}))(t)
		done(c.AttachGroupPolicy(ctx, &iamclient.AttachGroupPolicyInput{GroupName: ops, PolicyArn: &arn}))(t)
		done(c.AttachRolePolicy(ctx, &iamclient.AttachRolePolicyInput{RoleName: deploy, PolicyArn: &arn}))(t)
	}
	one := aws.Int32(1)
	user := done(c.ListAttachedUserPolicies(ctx, &iamclient.ListAttachedUserPoliciesInput{UserName: bob, MaxItems: one}))(t)
	more := done(c.ListAttachedUserPolicies(ctx, &iamclient.ListAttachedUserPoliciesInput{UserName: bob, MaxItems: one, Marker: user.Marker}))(t)
	if *user.AttachedPolicies[0].PolicyName != "ReadOnlyAccess" || !user.IsTruncated || *more.AttachedPolicies[0].PolicyArn != policyARN || more.IsTruncated {
		t.Errorf("%+v %+v", user, more)
	}
	group := done(c.ListAttachedGroupPolicies(ctx, &iamclient.ListAttachedGroupPoliciesInput{GroupName: ops, PathPrefix: aws.String("/team/")}))(t)
	role := done(c.ListAttachedRolePolicies(ctx, &iamclient.ListAttachedRolePoliciesInput{RoleName: deploy}))(t)
	if len(group.AttachedPolicies) != 1 || len(role.AttachedPolicies) != 2 {
		t.Errorf("%+v %+v", group, role)
	}
	if p := done(c.GetPolicy(ctx, &iamclient.GetPolicyInput{PolicyArn: aws.String(shippedRO)}))(t).Policy; *p.AttachmentCount != 3 {
		t.Errorf("%+v", p)
	}
	iamCase{"DeleteConflict", 409, "Cannot delete a policy attached to entities."}.check(t, second(
		c.DeletePolicy(ctx, &iamclient.DeletePolicyInput{PolicyArn: aws.String(policyARN)})))
	detachAll := func() []error {
		return []error{
			second(c.DetachUserPolicy(ctx, &iamclient.DetachUserPolicyInput{UserName: bob, PolicyArn: aws.String(policyARN)})),
			second(c.DetachGroupPolicy(ctx, &iamclient.DetachGroupPolicyInput{GroupName: ops, PolicyArn: aws.String(policyARN)})),
			second(c.DetachRolePolicy(ctx, &iamclient.DetachRolePolicyInput{RoleName: deploy, PolicyArn: aws.String(policyARN)})),
		}
	}
	if errs := detachAll(); slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		t.Error(errs)
	}
	for _, err := range detachAll() {
		iamCase{"NoSuchEntity", 404, "Policy " + policyARN + " was not found."}.check(t, err)
	}
	none := aws.String("none")
	for kind, err := range map[string]error{
		"user":  second(c.AttachUserPolicy(ctx, &iamclient.AttachUserPolicyInput{UserName: none, PolicyArn: aws.String(policyARN)})),
		"group": second(c.DetachGroupPolicy(ctx, &iamclient.DetachGroupPolicyInput{GroupName: none, PolicyArn: aws.String(policyARN)})),
		"role":  second(c.ListAttachedRolePolicies(ctx, &iamclient.ListAttachedRolePoliciesInput{RoleName: none})),
	} {
		iamCase{"NoSuchEntity", 404, "The " + kind + " with name none cannot be found."}.check(t, err)
	}
	missing := "arn:aws:iam::111122223333:policy/none"
	iamCase{"NoSuchEntity", 404, "Policy " + missing + " does not exist or is not attachable."}.check(t, second(
		c.AttachRolePolicy(ctx, &iamclient.AttachRolePolicyInput{RoleName: deploy, PolicyArn: &missing})))
	iamCase{"InvalidInput", 400, "ARN arn:aws:s3:::bucket/object is not valid."}.check(t, second(
		c.AttachRolePolicy(ctx, &iamclient.AttachRolePolicyInput{RoleName: deploy, PolicyArn: aws.String("arn:aws:s3:::bucket/object")})))
}

func TestPermissionsBoundaries(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	newPolicy(t, c)
	bob, ops, deploy := three(t, c)
	arn := aws.String(policyARN)
	done(c.PutUserPermissionsBoundary(ctx, &iamclient.PutUserPermissionsBoundaryInput{UserName: bob, PermissionsBoundary: arn}))(t)
	done(c.PutRolePermissionsBoundary(ctx, &iamclient.PutRolePermissionsBoundaryInput{RoleName: deploy, PermissionsBoundary: arn}))(t)
	done(c.AttachGroupPolicy(ctx, &iamclient.AttachGroupPolicyInput{GroupName: ops, PolicyArn: arn}))(t)
	u := done(c.GetUser(ctx, &iamclient.GetUserInput{UserName: bob}))(t).User
	r := done(c.GetRole(ctx, &iamclient.GetRoleInput{RoleName: deploy}))(t).Role
	p := done(c.GetPolicy(ctx, &iamclient.GetPolicyInput{PolicyArn: arn}))(t).Policy
	if *u.PermissionsBoundary.PermissionsBoundaryArn != policyARN || *r.PermissionsBoundary.PermissionsBoundaryArn != policyARN ||
		*p.PermissionsBoundaryUsageCount != 2 || *p.AttachmentCount != 1 {
		t.Errorf("%+v %+v %+v", u, r, p)
	}
	entities := func(in iamclient.ListEntitiesForPolicyInput) string {
		in.PolicyArn, in.MaxItems = arn, aws.Int32(1)
		var all []string
		for pages := iamclient.NewListEntitiesForPolicyPaginator(c, &in); pages.HasMorePages(); {
			page := done(pages.NextPage(ctx))(t)
			for _, g := range page.PolicyGroups {
				all = append(all, *g.GroupName)
			}
			for _, u := range page.PolicyUsers {
				all = append(all, *u.UserName)
			}
			for _, r := range page.PolicyRoles {
				all = append(all, *r.RoleName)
			}
		}
		return strings.Join(all, " ")
	}
	got := []string{
		entities(iamclient.ListEntitiesForPolicyInput{}), entities(iamclient.ListEntitiesForPolicyInput{EntityFilter: types.EntityTypeRole}),
		entities(iamclient.ListEntitiesForPolicyInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsPolicy}),
		entities(iamclient.ListEntitiesForPolicyInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}),
		entities(iamclient.ListEntitiesForPolicyInput{PathPrefix: aws.String("/none/")}),
	}
	if want := []string{"ops deploy bob", "deploy", "ops", "deploy bob", ""}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	done(c.DeleteUserPermissionsBoundary(ctx, &iamclient.DeleteUserPermissionsBoundaryInput{UserName: bob}))(t)
	done(c.DeleteRolePermissionsBoundary(ctx, &iamclient.DeleteRolePermissionsBoundaryInput{RoleName: deploy}))(t)
	iamCase{"NoSuchEntity", 404, "The user with name bob has no permissions boundary."}.check(t, second(
		c.DeleteUserPermissionsBoundary(ctx, &iamclient.DeleteUserPermissionsBoundaryInput{UserName: bob})))
	iamCase{"NoSuchEntity", 404, "Scope ARN: " + policyARN + "x does not exist or is not attachable."}.check(t, second(
		c.PutRolePermissionsBoundary(ctx, &iamclient.PutRolePermissionsBoundaryInput{RoleName: deploy, PermissionsBoundary: aws.String(policyARN + "x")})))
	noSuchUser("none").check(t, second(
		c.PutUserPermissionsBoundary(ctx, &iamclient.PutUserPermissionsBoundaryInput{UserName: aws.String("none"), PermissionsBoundary: arn})))
}
