package server_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
)

// TestNewUserMayDoNothing: each operation is refused to a user without policies,
// on the ARN of what is stored, and in the same words whether that is there.
func TestNewUserMayDoNothing(t *testing.T) {
	kit := testkit.Start(t)
	root, ctx := kit.IAM(), t.Context()
	for _, name := range []string{"eve", "Bob"} {
		done(root.CreateUser(ctx, &iamclient.CreateUserInput{UserName: aws.String(name), Path: aws.String("/team/")}))(t)
	}
	done(root.CreateGroup(ctx, &iamclient.CreateGroupInput{GroupName: aws.String("Ops"), Path: aws.String("/g/")}))(t)
	done(root.CreateRole(ctx, &iamclient.CreateRoleInput{
		RoleName: aws.String("Deploy"), Path: aws.String("/r/"), AssumeRolePolicyDocument: aws.String(trustRoot),
	}))(t)
	key := done(root.CreateAccessKey(ctx, &iamclient.CreateAccessKeyInput{UserName: aws.String("eve")}))(t).AccessKey
	c := kit.IAMAs(iam.Credentials{ID: *key.AccessKeyId, Secret: iam.Secret(*key.SecretAccessKey)})

	bob, none, ops, deploy, doc := aws.String("bob"), aws.String("none"), aws.String("ops"), aws.String("deploy"), aws.String("{}")
	provider := aws.String("arn:aws:iam::111122223333:oidc-provider/idp.example.com")
	tags := []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}
	for _, row := range []struct {
		action, resource string
		call             func() (any, error)
	}{
		{"CreateUser", "user/x/new", func() (any, error) {
			return c.CreateUser(ctx, &iamclient.CreateUserInput{UserName: aws.String("new"), Path: aws.String("/x/"), Tags: tags})
		}},
		{"GetUser", "user/team/Bob", func() (any, error) { return c.GetUser(ctx, &iamclient.GetUserInput{UserName: bob}) }},
		{"GetUser", "user/none", func() (any, error) { return c.GetUser(ctx, &iamclient.GetUserInput{UserName: none}) }},
		{"GetUser", "user/team/eve", func() (any, error) { return c.GetUser(ctx, &iamclient.GetUserInput{}) }},
		{"UpdateUser", "user/team/Bob", func() (any, error) { return c.UpdateUser(ctx, &iamclient.UpdateUserInput{UserName: bob}) }},
		{"DeleteUser", "user/team/Bob", func() (any, error) { return c.DeleteUser(ctx, &iamclient.DeleteUserInput{UserName: bob}) }},
		{"ListUsers", "user/", func() (any, error) { return c.ListUsers(ctx, &iamclient.ListUsersInput{}) }},
		{"ListUsers", "user/te", func() (any, error) { return c.ListUsers(ctx, &iamclient.ListUsersInput{PathPrefix: aws.String("/te")}) }},
		{"TagUser", "user/team/Bob", func() (any, error) { return c.TagUser(ctx, &iamclient.TagUserInput{UserName: bob, Tags: tags}) }},
		{"UntagUser", "user/team/Bob", func() (any, error) {
			return c.UntagUser(ctx, &iamclient.UntagUserInput{UserName: bob, TagKeys: []string{"k"}})
		}},
		{"ListUserTags", "user/none", func() (any, error) { return c.ListUserTags(ctx, &iamclient.ListUserTagsInput{UserName: none}) }},
		{"CreateGroup", "group/new", func() (any, error) {
			return c.CreateGroup(ctx, &iamclient.CreateGroupInput{GroupName: aws.String("new")})
		}},
		{"GetGroup", "group/g/Ops", func() (any, error) { return c.GetGroup(ctx, &iamclient.GetGroupInput{GroupName: ops}) }},
		{"UpdateGroup", "group/none", func() (any, error) { return c.UpdateGroup(ctx, &iamclient.UpdateGroupInput{GroupName: none}) }},
		{"DeleteGroup", "group/g/Ops", func() (any, error) { return c.DeleteGroup(ctx, &iamclient.DeleteGroupInput{GroupName: ops}) }},
		{"ListGroups", "group/", func() (any, error) { return c.ListGroups(ctx, &iamclient.ListGroupsInput{}) }},
		{"AddUserToGroup", "group/g/Ops", func() (any, error) {
			return c.AddUserToGroup(ctx, &iamclient.AddUserToGroupInput{GroupName: ops, UserName: none})
		}},
		{"RemoveUserFromGroup", "group/g/Ops", func() (any, error) {
			return c.RemoveUserFromGroup(ctx, &iamclient.RemoveUserFromGroupInput{GroupName: ops, UserName: bob})
		}},
		{"ListGroupsForUser", "user/team/Bob", func() (any, error) {
			return c.ListGroupsForUser(ctx, &iamclient.ListGroupsForUserInput{UserName: bob})
		}},
		{"CreateRole", "role/new", func() (any, error) {
			return c.CreateRole(ctx, &iamclient.CreateRoleInput{RoleName: aws.String("new"), AssumeRolePolicyDocument: doc})
		}},
		{"GetRole", "role/r/Deploy", func() (any, error) { return c.GetRole(ctx, &iamclient.GetRoleInput{RoleName: deploy}) }},
		{"UpdateRole", "role/none", func() (any, error) { return c.UpdateRole(ctx, &iamclient.UpdateRoleInput{RoleName: none}) }},
		{"UpdateRoleDescription", "role/r/Deploy", func() (any, error) {
			return c.UpdateRoleDescription(ctx, &iamclient.UpdateRoleDescriptionInput{RoleName: deploy, Description: none})
		}},
		{"UpdateAssumeRolePolicy", "role/r/Deploy", func() (any, error) {
			return c.UpdateAssumeRolePolicy(ctx, &iamclient.UpdateAssumeRolePolicyInput{RoleName: deploy, PolicyDocument: doc})
		}},
		{"DeleteRole", "role/r/Deploy", func() (any, error) { return c.DeleteRole(ctx, &iamclient.DeleteRoleInput{RoleName: deploy}) }},
		{"ListRoles", "role/", func() (any, error) { return c.ListRoles(ctx, &iamclient.ListRolesInput{}) }},
		{"TagRole", "role/r/Deploy", func() (any, error) { return c.TagRole(ctx, &iamclient.TagRoleInput{RoleName: deploy, Tags: tags}) }},
		{"UntagRole", "role/r/Deploy", func() (any, error) {
			return c.UntagRole(ctx, &iamclient.UntagRoleInput{RoleName: deploy, TagKeys: []string{"k"}})
		}},
		{"ListRoleTags", "role/r/Deploy", func() (any, error) { return c.ListRoleTags(ctx, &iamclient.ListRoleTagsInput{RoleName: deploy}) }},
		{"CreateAccessKey", "user/team/eve", func() (any, error) { return c.CreateAccessKey(ctx, &iamclient.CreateAccessKeyInput{}) }},
		{"UpdateAccessKey", "user/team/eve", func() (any, error) {
			return c.UpdateAccessKey(ctx, &iamclient.UpdateAccessKeyInput{AccessKeyId: key.AccessKeyId, Status: types.StatusTypeInactive})
		}},
		{"DeleteAccessKey", "user/team/Bob", func() (any, error) {
			return c.DeleteAccessKey(ctx, &iamclient.DeleteAccessKeyInput{UserName: bob, AccessKeyId: key.AccessKeyId})
		}},
		{"ListAccessKeys", "user/team/eve", func() (any, error) { return c.ListAccessKeys(ctx, &iamclient.ListAccessKeysInput{}) }},
		{"GetAccessKeyLastUsed", "user/team/eve", func() (any, error) {
			return c.GetAccessKeyLastUsed(ctx, &iamclient.GetAccessKeyLastUsedInput{AccessKeyId: key.AccessKeyId})
		}},
		{"CreateAccountAlias", "*", func() (any, error) {
			return c.CreateAccountAlias(ctx, &iamclient.CreateAccountAliasInput{AccountAlias: aws.String("abc")})
		}},
		{"DeleteAccountAlias", "*", func() (any, error) {
			return c.DeleteAccountAlias(ctx, &iamclient.DeleteAccountAliasInput{AccountAlias: aws.String("abc")})
		}},
		{"ListAccountAliases", "*", func() (any, error) { return c.ListAccountAliases(ctx, &iamclient.ListAccountAliasesInput{}) }},
		{"CreateOpenIDConnectProvider", "oidc-provider/idp.example.com", func() (any, error) {
			return c.CreateOpenIDConnectProvider(ctx, &iamclient.CreateOpenIDConnectProviderInput{Url: aws.String("https://idp.example.com")})
		}},
		{"GetOpenIDConnectProvider", "oidc-provider/idp.example.com", func() (any, error) {
			return c.GetOpenIDConnectProvider(ctx, &iamclient.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: provider})
		}},
		{"DeleteOpenIDConnectProvider", "oidc-provider/idp.example.com", func() (any, error) {
			return c.DeleteOpenIDConnectProvider(ctx, &iamclient.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: provider})
		}},
		{"ListOpenIDConnectProviders", "oidc-provider/*", func() (any, error) {
			return c.ListOpenIDConnectProviders(ctx, &iamclient.ListOpenIDConnectProvidersInput{})
		}},
		{"TagOpenIDConnectProvider", "oidc-provider/idp.example.com", func() (any, error) {
			return c.TagOpenIDConnectProvider(ctx, &iamclient.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: provider, Tags: tags})
		}},
		{"ListInstanceProfiles", "instance-profile/", func() (any, error) {
			return c.ListInstanceProfiles(ctx, &iamclient.ListInstanceProfilesInput{})
		}},
		{"ListMFADevices", "user/none", func() (any, error) { return c.ListMFADevices(ctx, &iamclient.ListMFADevicesInput{UserName: none}) }},
		{"GetLoginProfile", "user/team/eve", func() (any, error) { return c.GetLoginProfile(ctx, &iamclient.GetLoginProfileInput{}) }},
		{"GetAccountPasswordPolicy", "*", func() (any, error) {
			return c.GetAccountPasswordPolicy(ctx, &iamclient.GetAccountPasswordPolicyInput{})
		}},
	} {
		_, err := row.call()
		resource := "arn:aws:iam::111122223333:" + row.resource
		if row.resource == "*" {
			resource = "*"
		}
		want := "User: arn:aws:iam::111122223333:user/team/eve is not authorized to perform: iam:" + row.action + " on resource: " + resource + " because"
		var refusal smithy.APIError
		if !errors.As(err, &refusal) || refusal.ErrorCode() != "AccessDenied" || !strings.HasPrefix(refusal.ErrorMessage(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
