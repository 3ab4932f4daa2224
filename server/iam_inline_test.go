package server_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

func TestInlinePolicies(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	bob, ops, deploy := three(t, c)
	doc, a, b := aws.String(oddPolicy), aws.String("a"), aws.String("b")
	for _, name := range []*string{a, b} {
		done(c.PutUserPolicy(ctx, &iamclient.PutUserPolicyInput{UserName: bob, PolicyName: name, PolicyDocument: doc}))(t)
		done(c.PutGroupPolicy(ctx, &iamclient.PutGroupPolicyInput{GroupName: ops, PolicyName: name, PolicyDocument: doc}))(t)
		done(c.PutRolePolicy(ctx, &iamclient.PutRolePolicyInput{RoleName: deploy, PolicyName: name, PolicyDocument: doc}))(t)
	}
	u := done(c.GetUserPolicy(ctx, &iamclient.GetUserPolicyInput{UserName: bob, PolicyName: a}))(t)
	g := done(c.GetGroupPolicy(ctx, &iamclient.GetGroupPolicyInput{GroupName: ops, PolicyName: a}))(t)
	r := done(c.GetRolePolicy(ctx, &iamclient.GetRolePolicyInput{RoleName: deploy, PolicyName: a}))(t)
	for _, d := range []*string{u.PolicyDocument, g.PolicyDocument, r.PolicyDocument} {
		if decoded(t, d) != oddPolicy {
			t.Errorf("%q", *d)
		}
	}
	if *u.UserName != "bob" || *g.GroupName != "ops" || *r.RoleName != "deploy" || *u.PolicyName != "a" {
		t.Errorf("%+v %+v %+v", u, g, r)
	}
	one := aws.Int32(1)
	first := done(c.ListUserPolicies(ctx, &iamclient.ListUserPoliciesInput{UserName: bob, MaxItems: one}))(t)
	rest := done(c.ListUserPolicies(ctx, &iamclient.ListUserPoliciesInput{UserName: bob, Marker: first.Marker}))(t)
	if !first.IsTruncated || rest.IsTruncated || !slices.Equal(append(first.PolicyNames, rest.PolicyNames...), []string{"a", "b"}) {
		t.Errorf("%+v %+v", first, rest)
	}
	inGroup := done(c.ListGroupPolicies(ctx, &iamclient.ListGroupPoliciesInput{GroupName: ops}))(t)
	inRole := done(c.ListRolePolicies(ctx, &iamclient.ListRolePoliciesInput{RoleName: deploy}))(t)
	if len(inGroup.PolicyNames) != 2 || len(inRole.PolicyNames) != 2 {
		t.Errorf("%+v %+v", inGroup, inRole)
	}
	remove := func() []error {
		return []error{
			second(c.DeleteUserPolicy(ctx, &iamclient.DeleteUserPolicyInput{UserName: bob, PolicyName: a})),
			second(c.DeleteGroupPolicy(ctx, &iamclient.DeleteGroupPolicyInput{GroupName: ops, PolicyName: a})),
			second(c.DeleteRolePolicy(ctx, &iamclient.DeleteRolePolicyInput{RoleName: deploy, PolicyName: a})),
		}
	}
	for _, err := range remove() {
		if err != nil {
			t.Error(err)
		}
	}
	for i, err := range remove() {
		kind := []string{"user", "group", "role"}[i]
		iamCase{"NoSuchEntity", 404, "The " + kind + " policy with name a cannot be found."}.check(t, err)
	}
	iamCase{"MalformedPolicyDocument", 400, "Policy document should not specify a principal."}.check(t, second(c.PutRolePolicy(ctx, &iamclient.PutRolePolicyInput{
		RoleName: deploy, PolicyName: a, PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`),
	})))
	none := aws.String("none")
	noSuchUser("none").check(t, second(c.PutUserPolicy(ctx, &iamclient.PutUserPolicyInput{UserName: none, PolicyName: a, PolicyDocument: doc})))
	noSuchUser("none").check(t, second(c.ListUserPolicies(ctx, &iamclient.ListUserPoliciesInput{UserName: none})))
	iamCase{"NoSuchEntity", 404, "The group with name none cannot be found."}.check(t, second(
		c.GetGroupPolicy(ctx, &iamclient.GetGroupPolicyInput{GroupName: none, PolicyName: a})))
	iamCase{"NoSuchEntity", 404, "The role with name none cannot be found."}.check(t, second(
		c.DeleteRolePolicy(ctx, &iamclient.DeleteRolePolicyInput{RoleName: none, PolicyName: a})))
}
