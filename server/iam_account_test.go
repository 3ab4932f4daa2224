package server_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

func TestAccountAliases(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	done(c.CreateAccountAlias(ctx, &iamclient.CreateAccountAliasInput{AccountAlias: aws.String("example-corp")}))(t)
	_, err := c.CreateAccountAlias(ctx, &iamclient.CreateAccountAliasInput{AccountAlias: aws.String("example-corp")})
	iamCase{"EntityAlreadyExists", 409, "The account alias example-corp already exists."}.check(t, err)
	list := done(c.ListAccountAliases(ctx, &iamclient.ListAccountAliasesInput{}))(t)
	if !slices.Equal(list.AccountAliases, []string{"example-corp"}) {
		t.Errorf("%v", list.AccountAliases)
	}
	done(c.DeleteAccountAlias(ctx, &iamclient.DeleteAccountAliasInput{AccountAlias: aws.String("example-corp")}))(t)
	_, err = c.DeleteAccountAlias(ctx, &iamclient.DeleteAccountAliasInput{AccountAlias: aws.String("example-corp")})
	iamCase{"NoSuchEntity", 404, "The account alias with name example-corp cannot be found."}.check(t, err)
}

func TestOpenIDConnectProviders(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	const thumb = "0123456789012345678901234567890123456789"
	created := done(c.CreateOpenIDConnectProvider(ctx, &iamclient.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://idp.example.com/a"), ClientIDList: []string{"one"},
		Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}))(t)
	arn := created.OpenIDConnectProviderArn
	if *arn != "arn:aws:iam::111122223333:oidc-provider/idp.example.com/a" || len(created.Tags) != 1 {
		t.Errorf("%s", *arn)
	}
	_, err := c.CreateOpenIDConnectProvider(ctx, &iamclient.CreateOpenIDConnectProviderInput{Url: aws.String("http://idp.example.com")})
	iamCase{"ValidationError", 400, "Invalid Open ID Connect Provider URL"}.check(t, err)
	done(c.AddClientIDToOpenIDConnectProvider(ctx, &iamclient.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("two")}))(t)
	done(c.RemoveClientIDFromOpenIDConnectProvider(ctx, &iamclient.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("one")}))(t)
	done(c.UpdateOpenIDConnectProviderThumbprint(ctx, &iamclient.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: arn, ThumbprintList: []string{thumb}}))(t)
	done(c.TagOpenIDConnectProvider(ctx, &iamclient.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, Tags: []types.Tag{{Key: aws.String("l"), Value: aws.String("w")}}}))(t)
	done(c.UntagOpenIDConnectProvider(ctx, &iamclient.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, TagKeys: []string{"k"}}))(t)
	tags := done(c.ListOpenIDConnectProviderTags(ctx, &iamclient.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: arn}))(t)
	if len(tags.Tags) != 1 || *tags.Tags[0].Key != "l" {
		t.Errorf("%+v", tags.Tags)
	}
	got := done(c.GetOpenIDConnectProvider(ctx, &iamclient.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))(t)
	if *got.Url != "idp.example.com/a" || !slices.Equal(got.ClientIDList, []string{"two"}) || !slices.Equal(got.ThumbprintList, []string{thumb}) {
		t.Errorf("%+v", got)
	}
	list := done(c.ListOpenIDConnectProviders(ctx, &iamclient.ListOpenIDConnectProvidersInput{}))(t)
	if len(list.OpenIDConnectProviderList) != 1 || *list.OpenIDConnectProviderList[0].Arn != *arn {
		t.Errorf("%+v", list)
	}
	done(c.DeleteOpenIDConnectProvider(ctx, &iamclient.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))(t)
	_, err = c.GetOpenIDConnectProvider(ctx, &iamclient.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn})
	iamCase{"NoSuchEntity", 404, "OpenIDConnect Provider not found for arn " + *arn}.check(t, err)
	_, err = c.DeleteOpenIDConnectProvider(ctx, &iamclient.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn})
	iamCase{"NoSuchEntity", 404, "OpenId connect Provider " + *arn + " cannot be found."}.check(t, err)
}

// TestCleanUp: what tools ask for before they delete a user or role is answered,
// though nothing of it is kept here.
func TestCleanUp(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.IAM(), t.Context()
	bob, ghost := aws.String("bob"), aws.String("ghost")
	done(c.CreateUser(ctx, &iamclient.CreateUserInput{UserName: bob}))(t)
	done(c.CreateRole(ctx, &iamclient.CreateRoleInput{RoleName: bob, AssumeRolePolicyDocument: aws.String(trustRoot)}))(t)

	lists := map[string]func(user *string) (int, error){
		"ListMFADevices": func(user *string) (int, error) {
			out, err := c.ListMFADevices(ctx, &iamclient.ListMFADevicesInput{UserName: user})
			return count(out, err, func() int { return len(out.MFADevices) })
		},
		"ListSSHPublicKeys": func(user *string) (int, error) {
			out, err := c.ListSSHPublicKeys(ctx, &iamclient.ListSSHPublicKeysInput{UserName: user})
			return count(out, err, func() int { return len(out.SSHPublicKeys) })
		},
		"ListSigningCertificates": func(user *string) (int, error) {
			out, err := c.ListSigningCertificates(ctx, &iamclient.ListSigningCertificatesInput{UserName: user})
			return count(out, err, func() int { return len(out.Certificates) })
		},
		"ListServiceSpecificCredentials": func(user *string) (int, error) {
			out, err := c.ListServiceSpecificCredentials(ctx, &iamclient.ListServiceSpecificCredentialsInput{UserName: user})
			return count(out, err, func() int { return len(out.ServiceSpecificCredentials) })
		},
	}
	for name, list := range lists {
		for _, user := range []*string{bob, nil} {
			if n, err := list(user); n != 0 || err != nil {
				t.Errorf("%s: %d %v", name, n, err)
			}
		}
		_, err := list(ghost)
		noSuchUser("ghost").check(t, err)
	}
	done(c.ListServiceSpecificCredentials(ctx, &iamclient.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true)}))(t)
	done(c.ListInstanceProfilesForRole(ctx, &iamclient.ListInstanceProfilesForRoleInput{RoleName: bob}))(t)
	_, err := c.ListInstanceProfilesForRole(ctx, &iamclient.ListInstanceProfilesForRoleInput{RoleName: ghost})
	iamCase{"NoSuchEntity", 404, "The role with name ghost cannot be found."}.check(t, err)
	done(c.ListInstanceProfiles(ctx, &iamclient.ListInstanceProfilesInput{}))(t)
	done(c.ListServerCertificates(ctx, &iamclient.ListServerCertificatesInput{}))(t)
	done(c.ListVirtualMFADevices(ctx, &iamclient.ListVirtualMFADevicesInput{}))(t)
	done(c.ListSAMLProviders(ctx, &iamclient.ListSAMLProvidersInput{}))(t)

	noLogin := iamCase{"NoSuchEntity", 404, "Login Profile for User bob cannot be found."}
	_, err = c.GetLoginProfile(ctx, &iamclient.GetLoginProfileInput{UserName: bob})
	noLogin.check(t, err)
	_, err = c.DeleteLoginProfile(ctx, &iamclient.DeleteLoginProfileInput{UserName: bob})
	noLogin.check(t, err)
	_, err = c.GetLoginProfile(ctx, &iamclient.GetLoginProfileInput{UserName: ghost})
	noSuchUser("ghost").check(t, err)
	_, err = c.GetLoginProfile(ctx, &iamclient.GetLoginProfileInput{})
	iamCase{"NoSuchEntity", 404, "Login Profile for User arn:aws:iam::111122223333:root cannot be found."}.check(t, err)
	_, err = c.GetAccountPasswordPolicy(ctx, &iamclient.GetAccountPasswordPolicyInput{})
	iamCase{"NoSuchEntity", 404, "The Password Policy with domain name 111122223333 cannot be found."}.check(t, err)
	_, err = c.DeleteAccountPasswordPolicy(ctx, &iamclient.DeleteAccountPasswordPolicyInput{})
	iamCase{"NoSuchEntity", 404, "The account policy with name PasswordPolicy cannot be found."}.check(t, err)
}

func count(_ any, err error, n func() int) (int, error) {
	if err != nil {
		return 0, err
	}
	return n(), nil
}
