package server_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

// TestClosedToSessions: rule 10.3 on the wire. The root user may do everything,
// so only the kind of the credentials can be what refuses.
func TestClosedToSessions(t *testing.T) {
	kit := testkit.Start(t)
	ctx := t.Context()
	session := testkit.Temporary(must(kit.STS(region).GetSessionToken(ctx, &stsclient.GetSessionTokenInput{})).Credentials)
	federated := testkit.Temporary(must(kit.STS(region).GetFederationToken(ctx, &stsclient.GetFederationTokenInput{Name: aws.String("bob")})).Credentials)
	for kind, as := range map[string]aws.CredentialsProvider{"session": session, "federated": federated} {
		_, err := kit.IAMWith(as).ListUsers(ctx, &iamclient.ListUsersInput{})
		refused(t, kind+" in IAM", err, "InvalidClientTokenId", "The security token included in the request is invalid")
		_, err = kit.STSWith(region, as).GetSessionToken(ctx, &stsclient.GetSessionTokenInput{})
		refused(t, kind+" in STS", err, "AccessDenied", "Cannot call GetSessionToken with session credentials")
		_, err = kit.STSWith(region, as).GetAccessKeyInfo(ctx, &stsclient.GetAccessKeyInfoInput{AccessKeyId: &kit.Credentials.ID})
		refused(t, kind+" in STS", err, "AccessDenied", "with session credentials")
		identityOf(t, kit, as)
	}
	_, err := kit.STSWith(region, federated).AssumeRole(ctx, &stsclient.AssumeRoleInput{
		RoleArn: aws.String(roleARN + "ops"), RoleSessionName: aws.String("s1")})
	refused(t, "federated", err, "AccessDenied", "Cannot call AssumeRole with session credentials")
	if _, err := kit.KMSWith(region, session).ListKeys(ctx, &kms.ListKeysInput{}); err != nil {
		t.Errorf("a session of the root user in KMS: %v", err)
	}
}
