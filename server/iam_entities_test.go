package server_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
)

// iamCase is a refusal of IAM: its code, HTTP status and words.
type iamCase struct {
	code    string
	status  int
	message string
}

func (want iamCase) check(t *testing.T, err error) {
	t.Helper()
	var refusal smithy.APIError
	var response *smithyhttp.ResponseError
	if !errors.As(err, &refusal) || !errors.As(err, &response) {
		t.Errorf("got  %v\nwant %s", err, want.code)
		return
	}
	if got := (iamCase{refusal.ErrorCode(), response.HTTPStatusCode(), refusal.ErrorMessage()}); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func noSuchUser(name string) iamCase {
	return iamCase{"NoSuchEntity", 404, "The user with name " + name + " cannot be found."}
}

func done[O any](out O, err error) func(*testing.T) O {
	return func(t *testing.T) O {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func TestUsers(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	created := done(c.CreateUser(ctx, &iamclient.CreateUserInput{
		UserName: aws.String("Bob"), Path: aws.String("/team/"), PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/PowerUserAccess"),
		Tags: []types.Tag{{Key: aws.String("dept"), Value: aws.String("ops")}},
	}))(t).User
	if *created.Arn != "arn:aws:iam::111122223333:user/team/Bob" || len(created.Tags) != 1 ||
		*created.PermissionsBoundary.PermissionsBoundaryArn != "arn:aws:iam::aws:policy/PowerUserAccess" {
		t.Errorf("%+v", created)
	}
	got := done(c.GetUser(ctx, &iamclient.GetUserInput{UserName: aws.String("bob")}))(t).User
	if *got.UserId != *created.UserId || !got.CreateDate.Equal(*created.CreateDate) || got.CreateDate.Nanosecond() != 0 {
		t.Errorf("%+v", got)
	}
	_, err := c.CreateUser(ctx, &iamclient.CreateUserInput{UserName: aws.String("BOB")})
	iamCase{"EntityAlreadyExists", 409, "User with name BOB already exists."}.check(t, err)
	var exists *types.EntityAlreadyExistsException
	if !errors.As(err, &exists) {
		t.Errorf("%T", err)
	}
	_, err = c.CreateUser(ctx, &iamclient.CreateUserInput{UserName: aws.String("eve"), PermissionsBoundary: aws.String("arn:aws:iam::111122223333:policy/none")})
	iamCase{"NoSuchEntity", 404, "Scope ARN: arn:aws:iam::111122223333:policy/none does not exist or is not attachable."}.check(t, err)
	_, err = c.CreateUser(ctx, &iamclient.CreateUserInput{UserName: aws.String("eve"), Tags: []types.Tag{
		{Key: aws.String("a"), Value: aws.String("")}, {Key: aws.String("A"), Value: aws.String("")},
	}})
	iamCase{"InvalidInput", 400, "Duplicate tag keys found. Please note that Tag keys are case insensitive."}.check(t, err)

	done(c.TagUser(ctx, &iamclient.TagUserInput{UserName: aws.String("bob"), Tags: []types.Tag{{Key: aws.String("env"), Value: aws.String("prod")}}}))(t)
	done(c.UntagUser(ctx, &iamclient.UntagUserInput{UserName: aws.String("bob"), TagKeys: []string{"DEPT"}}))(t)
	tags := done(c.ListUserTags(ctx, &iamclient.ListUserTagsInput{UserName: aws.String("bob")}))(t)
	if len(tags.Tags) != 1 || *tags.Tags[0].Key != "env" || tags.IsTruncated {
		t.Errorf("%+v", tags)
	}
	done(c.UpdateUser(ctx, &iamclient.UpdateUserInput{UserName: aws.String("bob"), NewUserName: aws.String("robert"), NewPath: aws.String("/")}))(t)
	_, err = c.GetUser(ctx, &iamclient.GetUserInput{UserName: aws.String("bob")})
	noSuchUser("bob").check(t, err)
	_, err = c.UpdateUser(ctx, &iamclient.UpdateUserInput{UserName: aws.String("bob")})
	noSuchUser("bob").check(t, err)
	done(c.DeleteUser(ctx, &iamclient.DeleteUserInput{UserName: aws.String("robert")}))(t)
	_, err = c.DeleteUser(ctx, &iamclient.DeleteUserInput{UserName: aws.String("robert")})
	noSuchUser("robert").check(t, err)

	root := done(c.GetUser(ctx, &iamclient.GetUserInput{}))(t).User
	if *root.Arn != "arn:aws:iam::111122223333:root" || *root.UserId != testkit.Account || root.UserName != nil {
		t.Errorf("%+v", root)
	}
}

func TestListUsers(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	for _, name := range []string{"c", "B", "a"} {
		done(c.CreateUser(ctx, &iamclient.CreateUserInput{UserName: aws.String(name), Path: aws.String("/p/")}))(t)
	}
	done(c.CreateUser(ctx, &iamclient.CreateUserInput{UserName: aws.String("d")}))(t)
	var names []string
	pages := iamclient.NewListUsersPaginator(c, &iamclient.ListUsersInput{MaxItems: aws.Int32(2), PathPrefix: aws.String("/p")})
	for pages.HasMorePages() {
		page := done(pages.NextPage(ctx))(t)
		for _, u := range page.Users {
			names = append(names, *u.UserName)
		}
	}
	if !slices.Equal(names, []string{"a", "B", "c"}) {
		t.Errorf("%v", names)
	}
	_, err := c.ListUsers(ctx, &iamclient.ListUsersInput{Marker: aws.String("nonsense")})
	iamCase{"ValidationError", 400, "Invalid Marker."}.check(t, err)
}

func TestGroups(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	done(c.CreateUser(ctx, &iamclient.CreateUserInput{UserName: aws.String("bob")}))(t)
	g := done(c.CreateGroup(ctx, &iamclient.CreateGroupInput{GroupName: aws.String("ops")}))(t).Group
	_, err := c.CreateGroup(ctx, &iamclient.CreateGroupInput{GroupName: aws.String("Ops")})
	iamCase{"EntityAlreadyExists", 409, "Group with name Ops already exists."}.check(t, err)
	done(c.AddUserToGroup(ctx, &iamclient.AddUserToGroupInput{GroupName: aws.String("ops"), UserName: aws.String("bob")}))(t)
	_, err = c.AddUserToGroup(ctx, &iamclient.AddUserToGroupInput{GroupName: aws.String("none"), UserName: aws.String("bob")})
	iamCase{"NoSuchEntity", 404, "The group with name none cannot be found."}.check(t, err)
	_, err = c.RemoveUserFromGroup(ctx, &iamclient.RemoveUserFromGroupInput{GroupName: aws.String("ops"), UserName: aws.String("eve")})
	noSuchUser("eve").check(t, err)

	got := done(c.GetGroup(ctx, &iamclient.GetGroupInput{GroupName: aws.String("OPS")}))(t)
	if *got.Group.GroupId != *g.GroupId || len(got.Users) != 1 || *got.Users[0].UserName != "bob" {
		t.Errorf("%+v", got)
	}
	of := done(c.ListGroupsForUser(ctx, &iamclient.ListGroupsForUserInput{UserName: aws.String("bob")}))(t)
	if len(of.Groups) != 1 || *of.Groups[0].Arn != *g.Arn {
		t.Errorf("%+v", of)
	}
	done(c.UpdateGroup(ctx, &iamclient.UpdateGroupInput{GroupName: aws.String("ops"), NewGroupName: aws.String("sre")}))(t)
	_, err = c.DeleteGroup(ctx, &iamclient.DeleteGroupInput{GroupName: aws.String("sre")})
	iamCase{"DeleteConflict", 409, "Cannot delete entity, must remove users from group first."}.check(t, err)
	done(c.RemoveUserFromGroup(ctx, &iamclient.RemoveUserFromGroupInput{GroupName: aws.String("sre"), UserName: aws.String("bob")}))(t)
	all := done(c.ListGroups(ctx, &iamclient.ListGroupsInput{}))(t)
	if len(all.Groups) != 1 || *all.Groups[0].GroupName != "sre" {
		t.Errorf("%+v", all)
	}
	done(c.DeleteGroup(ctx, &iamclient.DeleteGroupInput{GroupName: aws.String("sre")}))(t)
}

const trustRoot = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]}`

func TestRoles(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	created := done(c.CreateRole(ctx, &iamclient.CreateRoleInput{
		RoleName: aws.String("deploy"), AssumeRolePolicyDocument: aws.String(trustRoot), Description: aws.String("ships things"),
		MaxSessionDuration: aws.Int32(7200), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v w")}},
	}))(t).Role
	if created.MaxSessionDuration != nil || created.Description != nil || len(created.Tags) != 1 {
		t.Errorf("CreateRole says more than AWS does: %+v", created)
	}
	got := done(c.GetRole(ctx, &iamclient.GetRoleInput{RoleName: aws.String("Deploy")}))(t).Role
	trust, err := url.PathUnescape(*got.AssumeRolePolicyDocument)
	if err != nil || trust != trustRoot || *got.MaxSessionDuration != 7200 || *got.Description != "ships things" || got.RoleLastUsed == nil {
		t.Errorf("%+v %s", got, trust)
	}
	_, err = c.CreateRole(ctx, &iamclient.CreateRoleInput{RoleName: aws.String("x"), AssumeRolePolicyDocument: aws.String("{")})
	iamCase{"MalformedPolicyDocument", 400, "This policy contains invalid Json"}.check(t, err)
	_, err = c.CreateRole(ctx, &iamclient.CreateRoleInput{RoleName: aws.String("DEPLOY"), AssumeRolePolicyDocument: aws.String(trustRoot)})
	iamCase{"EntityAlreadyExists", 409, "Role with name DEPLOY already exists."}.check(t, err)

	done(c.UpdateRole(ctx, &iamclient.UpdateRoleInput{RoleName: aws.String("deploy"), MaxSessionDuration: aws.Int32(3600)}))(t)
	described := done(c.UpdateRoleDescription(ctx, &iamclient.UpdateRoleDescriptionInput{RoleName: aws.String("deploy"), Description: aws.String("")}))(t)
	if described.Role.Description != nil || *described.Role.RoleId != *created.RoleId {
		t.Errorf("%+v", described.Role)
	}
	unknown := strings.Replace(trustRoot, ":root", ":user/ghost", 1)
	_, err = c.UpdateAssumeRolePolicy(ctx, &iamclient.UpdateAssumeRolePolicyInput{RoleName: aws.String("deploy"), PolicyDocument: &unknown})
	iamCase{"MalformedPolicyDocument", 400, `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/ghost"`}.check(t, err)
	done(c.CreateUser(ctx, &iamclient.CreateUserInput{UserName: aws.String("ghost")}))(t)
	done(c.UpdateAssumeRolePolicy(ctx, &iamclient.UpdateAssumeRolePolicyInput{RoleName: aws.String("deploy"), PolicyDocument: &unknown}))(t)

	done(c.TagRole(ctx, &iamclient.TagRoleInput{RoleName: aws.String("deploy"), Tags: []types.Tag{{Key: aws.String("l"), Value: aws.String("")}}}))(t)
	done(c.UntagRole(ctx, &iamclient.UntagRoleInput{RoleName: aws.String("deploy"), TagKeys: []string{"k"}}))(t)
	tags := done(c.ListRoleTags(ctx, &iamclient.ListRoleTagsInput{RoleName: aws.String("deploy")}))(t)
	if len(tags.Tags) != 1 || *tags.Tags[0].Key != "l" || *tags.Tags[0].Value != "" {
		t.Errorf("%+v", tags.Tags)
	}
	all := done(c.ListRoles(ctx, &iamclient.ListRolesInput{PathPrefix: aws.String("/")}))(t)
	if len(all.Roles) != 1 || all.Roles[0].Tags != nil || all.Roles[0].AssumeRolePolicyDocument == nil {
		t.Errorf("%+v", all.Roles)
	}
	done(c.DeleteRole(ctx, &iamclient.DeleteRoleInput{RoleName: aws.String("deploy")}))(t)
	_, err = c.DeleteRole(ctx, &iamclient.DeleteRoleInput{RoleName: aws.String("deploy")})
	iamCase{"NoSuchEntity", 404, "The role with name deploy cannot be found."}.check(t, err)
}

// caller asks who somebody's access key says they are.
func caller(t *testing.T, kit *testkit.Kit, c iam.Credentials) (string, error) {
	t.Helper()
	client := stsclient.New(stsclient.Options{
		BaseEndpoint: &kit.URL, Region: "eu-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(c.ID, string(c.Secret), ""),
	})
	out, err := client.GetCallerIdentity(t.Context(), &stsclient.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return *out.Arn, nil
}

// TestUserAccessKeys: a key is its user's from the answer that shows it, under
// whatever name, and stops working with the answer that says so.
func TestUserAccessKeys(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	done(c.CreateUser(ctx, &iamclient.CreateUserInput{UserName: aws.String("bob")}))(t)
	k := done(c.CreateAccessKey(ctx, &iamclient.CreateAccessKeyInput{UserName: aws.String("BOB")}))(t).AccessKey
	if len(*k.AccessKeyId) != 20 || len(*k.SecretAccessKey) != 40 || *k.UserName != "bob" || k.Status != types.StatusTypeActive {
		t.Errorf("%s %s %s", *k.AccessKeyId, *k.UserName, k.Status)
	}
	for _, e := range kit.Events(0) {
		if strings.Contains(string(e), *k.SecretAccessKey) {
			t.Error("the secret is in the audit log")
		}
	}
	unused := done(c.GetAccessKeyLastUsed(ctx, &iamclient.GetAccessKeyLastUsedInput{AccessKeyId: k.AccessKeyId}))(t)
	if *unused.UserName != "bob" || *unused.AccessKeyLastUsed.ServiceName != "N/A" || unused.AccessKeyLastUsed.LastUsedDate != nil {
		t.Errorf("%+v", unused.AccessKeyLastUsed)
	}
	bob := iam.Credentials{ID: *k.AccessKeyId, Secret: iam.Secret(*k.SecretAccessKey)}
	if arn, err := caller(t, kit, bob); err != nil || arn != "arn:aws:iam::111122223333:user/bob" {
		t.Errorf("%s %v", arn, err)
	}
	done(c.UpdateUser(ctx, &iamclient.UpdateUserInput{UserName: aws.String("bob"), NewUserName: aws.String("robert")}))(t)
	if arn, err := caller(t, kit, bob); err != nil || arn != "arn:aws:iam::111122223333:user/robert" {
		t.Errorf("%s %v", arn, err)
	}
	used := done(c.GetAccessKeyLastUsed(ctx, &iamclient.GetAccessKeyLastUsedInput{AccessKeyId: k.AccessKeyId}))(t)
	if *used.UserName != "robert" || *used.AccessKeyLastUsed.ServiceName != "sts" || *used.AccessKeyLastUsed.Region != "eu-1" {
		t.Errorf("%+v", used.AccessKeyLastUsed)
	}
	done(c.UpdateAccessKey(ctx, &iamclient.UpdateAccessKeyInput{UserName: aws.String("robert"), AccessKeyId: k.AccessKeyId, Status: types.StatusTypeInactive}))(t)
	_, err := caller(t, kit, bob)
	iamCase{"InvalidClientTokenId", 403, "The security token included in the request is invalid."}.check(t, err)
	list := done(c.ListAccessKeys(ctx, &iamclient.ListAccessKeysInput{UserName: aws.String("robert")}))(t)
	if len(list.AccessKeyMetadata) != 1 || list.AccessKeyMetadata[0].Status != types.StatusTypeInactive {
		t.Errorf("%+v", list.AccessKeyMetadata)
	}
	done(c.UpdateAccessKey(ctx, &iamclient.UpdateAccessKeyInput{UserName: aws.String("robert"), AccessKeyId: k.AccessKeyId, Status: types.StatusTypeActive}))(t)
	if _, err := caller(t, kit, bob); err != nil {
		t.Error(err)
	}
	_, err = c.DeleteUser(ctx, &iamclient.DeleteUserInput{UserName: aws.String("robert")})
	iamCase{"DeleteConflict", 409, "Cannot delete entity, must delete access keys first."}.check(t, err)
	done(c.DeleteAccessKey(ctx, &iamclient.DeleteAccessKeyInput{UserName: aws.String("robert"), AccessKeyId: k.AccessKeyId}))(t)
	if _, err := caller(t, kit, bob); err == nil {
		t.Error("deleted key works")
	}
	_, err = c.DeleteAccessKey(ctx, &iamclient.DeleteAccessKeyInput{UserName: aws.String("robert"), AccessKeyId: k.AccessKeyId})
	iamCase{"NoSuchEntity", 404, "The Access Key with id " + *k.AccessKeyId + " cannot be found."}.check(t, err)
}

func TestAccessKeyRefusals(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	_, err := c.CreateAccessKey(ctx, &iamclient.CreateAccessKeyInput{UserName: aws.String("ghost")})
	noSuchUser("ghost").check(t, err)
	own := done(c.CreateAccessKey(ctx, &iamclient.CreateAccessKeyInput{}))(t).AccessKey
	if arn, err := caller(t, kit, iam.Credentials{ID: *own.AccessKeyId, Secret: iam.Secret(*own.SecretAccessKey)}); err != nil || !strings.HasSuffix(arn, ":root") {
		t.Errorf("%s %v", arn, err)
	}
	_, err = c.CreateAccessKey(ctx, &iamclient.CreateAccessKeyInput{})
	iamCase{"LimitExceeded", 409, "Cannot exceed quota for AccessKeysPerUser: 2"}.check(t, err)
	_, err = c.GetAccessKeyLastUsed(ctx, &iamclient.GetAccessKeyLastUsedInput{AccessKeyId: aws.String("AKIAIOSFODNN7EXAMPLE")})
	iamCase{"AccessDenied", 403, "User: arn:aws:iam::111122223333:root is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key AKIAIOSFODNN7EXAMPLE"}.check(t, err)
	_, err = c.UpdateAccessKey(ctx, &iamclient.UpdateAccessKeyInput{AccessKeyId: own.AccessKeyId, Status: types.StatusTypeExpired})
	iamCase{"InvalidInput", 400, "Status of an access key must be Active or Inactive."}.check(t, err)
	done(c.DeleteAccessKey(ctx, &iamclient.DeleteAccessKeyInput{AccessKeyId: own.AccessKeyId}))(t)
}
