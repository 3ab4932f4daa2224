package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/sts"
)

// principalOf is a user as the caller with a long-lived key.
func principalOf(u *iam.User) iam.Principal {
	return iam.Principal{Type: iam.TypeUser, Account: testkit.Account, ARN: u.ARN(), ID: u.ID, Name: u.Name}
}

// temporary are credentials for AWS's clients.
func temporary(c *sts.Credentials) aws.CredentialsProvider {
	id, secret, token := c.AccessKeyID, string(c.Secret), string(c.Token)
	return testkit.Temporary(&types.Credentials{AccessKeyId: &id, SecretAccessKey: &secret, SessionToken: &token})
}

func identityOf(t *testing.T, kit *testkit.Kit, as aws.CredentialsProvider) string {
	t.Helper()
	out, err := kit.STSWith(region, as).GetCallerIdentity(t.Context(), &stsclient.GetCallerIdentityInput{})
	if err != nil {
		t.Error(err)
		return ""
	}
	return *out.Account + " " + *out.UserId + " " + *out.Arn
}

// TestCallerIdentities: rule 2.1 on the wire, for credentials that the API gave
// where any caller may ask for them.
func TestCallerIdentities(t *testing.T) {
	kit := testkit.Start(t)
	ctx := t.Context()
	user, key := kit.UserWithKey("ann")
	role := kit.RoleTrusting("ops", "")
	const a = testkit.Account

	of := func(as aws.CredentialsProvider) aws.CredentialsProvider {
		out := must(kit.STSWith(region, as).GetSessionToken(ctx, &stsclient.GetSessionTokenInput{DurationSeconds: aws.Int32(900)}))
		if left := time.Until(*out.Credentials.Expiration); left > 15*time.Minute || left < 14*time.Minute {
			t.Errorf("ends in %v", left)
		}
		return testkit.Temporary(out.Credentials)
	}
	federated := must(kit.STS(region).GetFederationToken(ctx, &stsclient.GetFederationTokenInput{
		Name: aws.String("bob"), Tags: []types.Tag{{Key: aws.String("dept"), Value: aws.String("it")}},
		Policy: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`),
	}))
	if u := federated.FederatedUser; *u.Arn != "arn:aws:sts::"+a+":federated-user/bob" || *u.FederatedUserId != a+":bob" ||
		federated.PackedPolicySize == nil || *federated.PackedPolicySize < 1 {
		t.Errorf("federated user %s %s, size %v", *u.Arn, *u.FederatedUserId, federated.PackedPolicySize)
	}
	assumed := must(kit.Sessions.AssumeRole(ctx, principalOf(user), role, sts.RoleSession{Name: "s1"}))
	for _, c := range []struct {
		as   aws.CredentialsProvider
		want string
	}{
		{key, a + " " + user.ID + " arn:aws:iam::" + a + ":user/ann"},
		{of(key), a + " " + user.ID + " arn:aws:iam::" + a + ":user/ann"},
		{of(testkit.LongTerm(kit.Credentials)), a + " " + a + " arn:aws:iam::" + a + ":root"},
		{testkit.Temporary(federated.Credentials), a + " " + a + ":bob arn:aws:sts::" + a + ":federated-user/bob"},
		{temporary(assumed), a + " " + role.ID + ":s1 arn:aws:sts::" + a + ":assumed-role/ops/s1"},
	} {
		if got := identityOf(t, kit, c.as); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// TestRefusedSessionTokens: points 11 and 12 of the signature's checks, in the
// words of both protocols, over connections that stay open.
func TestRefusedSessionTokens(t *testing.T) {
	kit, other := testkit.Start(t), testkit.Start(t)
	ctx := t.Context()
	user, _ := kit.UserWithKey("ann")
	role := kit.RoleTrusting("ops", "")
	assume := func() *sts.Credentials {
		return must(kit.Sessions.AssumeRole(ctx, principalOf(user), role, sts.RoleSession{Name: "s1"}))
	}
	try := func(what string, c *sts.Credentials, json, query string) {
		t.Helper()
		_, err := kit.KMSWith(region, temporary(c)).ListKeys(ctx, &kms.ListKeysInput{})
		refused(t, what, err, json, "The security token included in the request is")
		_, err = kit.STSWith(region, temporary(c)).GetCallerIdentity(ctx, &stsclient.GetCallerIdentityInput{})
		refused(t, what, err, query, "The security token included in the request is")
		_, err = kit.IAMWith(temporary(c)).ListUsers(ctx, &iamclient.ListUsersInput{})
		refused(t, what, err, query, "The security token included in the request is")
	}
	const unrecognized, invalid = "UnrecognizedClientException", "InvalidClientTokenId"
	good := assume()
	identityOf(t, kit, temporary(good))
	with := func(change func(*sts.Credentials)) *sts.Credentials {
		c := *good
		change(&c)
		return &c
	}
	try("altered", with(func(c *sts.Credentials) { c.Token = "B" + c.Token[1:] }), unrecognized, invalid)
	try("truncated", with(func(c *sts.Credentials) { c.Token = c.Token[:len(c.Token)-8] }), unrecognized, invalid)
	try("without token", with(func(c *sts.Credentials) { c.Token = "" }), unrecognized, invalid)
	try("another's token", with(func(c *sts.Credentials) { c.Token = assume().Token }), unrecognized, invalid)
	try("of another appliance", must(other.Sessions.UserSession(ctx, iam.Root(testkit.Account), 0, sts.MFA{})), unrecognized, invalid)
	long := with(func(c *sts.Credentials) { c.AccessKeyID, c.Secret = kit.Credentials.ID, kit.Credentials.Secret })
	try("long-lived key with a token", long, unrecognized, invalid)
	_, err := kit.STSWith(region, temporary(with(func(c *sts.Credentials) { c.Secret = assume().Secret }))).
		GetCallerIdentity(ctx, &stsclient.GetCallerIdentityInput{})
	refused(t, "another's secret", err, "SignatureDoesNotMatch", "does not match the signature you provided")

	kit.Update(func(tx store.Tx) error { return kit.Identities.RevokeSessions(tx, role.ID) })
	try("revoked", good, "ExpiredTokenException", "ExpiredToken")
	good = assume()
	identityOf(t, kit, temporary(good))
	kit.Offset.Store(int64(time.Hour))
	try("expired", good, "ExpiredTokenException", "ExpiredToken")
	good = assume()
	kit.Update(func(tx store.Tx) error { return kit.Identities.DeleteRole(tx, "ops") })
	kit.RoleTrusting("ops", "")
	try("of a role made anew", good, unrecognized, invalid)
}

// TestPresignedSession: other systems learn who calls from a URL that a session
// signed.
func TestPresignedSession(t *testing.T) {
	kit := testkit.Start(t)
	user, _ := kit.UserWithKey("ann")
	c := must(kit.Sessions.UserSession(t.Context(), principalOf(user), 0, sts.MFA{}))
	signed := must(stsclient.NewPresignClient(kit.STSWith(region, temporary(c))).
		PresignGetCallerIdentity(t.Context(), &stsclient.GetCallerIdentityInput{}))
	resp := must(http.Get(signed.URL))
	defer resp.Body.Close()
	if body := must(io.ReadAll(resp.Body)); resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(user.ARN())) {
		t.Errorf("HTTP %d: %s", resp.StatusCode, body)
	}
	if !strings.Contains(signed.URL, "X-Amz-Security-Token="+string(c.Token)) {
		t.Error("the token needs escapes in a URL")
	}
}

// TestSTSRefusals: what STS refuses whatever policies say.
func TestSTSRefusals(t *testing.T) {
	kit := testkit.Start(t)
	ctx := t.Context()
	_, key := kit.UserWithKey("ann")
	role := kit.RoleTrusting("ops", "")
	root, user := kit.STS(region), kit.STSWith(region, key)
	assume := func(c *stsclient.Client, change func(*stsclient.AssumeRoleInput)) error {
		in := &stsclient.AssumeRoleInput{RoleArn: aws.String(role.ARN()), RoleSessionName: aws.String("s1")}
		change(in)
		_, err := c.AssumeRole(ctx, in)
		return err
	}
	err := assume(root, func(*stsclient.AssumeRoleInput) {})
	refused(t, "root", err, "AccessDenied", "Roles may not be assumed by root accounts.")
	for _, arn := range []string{"arn:aws:iam::111122223333:oidc-provider/idp.example", "arn:aws:iam::1111:role/ops", "not an arn of a role"} {
		err = assume(user, func(in *stsclient.AssumeRoleInput) { in.RoleArn = &arn })
		refused(t, arn, err, "ValidationError", "Request ARN is invalid")
	}
	err = assume(user, func(in *stsclient.AssumeRoleInput) { in.DurationSeconds = aws.Int32(899) })
	refused(t, "duration", err, "ValidationError", "durationSeconds")
	err = assume(user, func(in *stsclient.AssumeRoleInput) { in.Policy = aws.String(`{"Statement":[]}`) })
	refused(t, "session policy", err, "MalformedPolicyDocument", "Syntax errors in policy.")
	err = assume(user, func(in *stsclient.AssumeRoleInput) {
		in.SerialNumber, in.TokenCode = aws.String("arn:aws:iam::111122223333:mfa/ann"), aws.String("123456")
	})
	refused(t, "code", err, "AccessDenied", "MultiFactorAuthentication failed")
	_, err = root.GetSessionToken(ctx, &stsclient.GetSessionTokenInput{SerialNumber: aws.String("arn:aws:iam::1:mfa/a")})
	refused(t, "serial without code", err, "AccessDenied", "must provide both MFA serial number and one time pass code.")
	_, err = root.GetFederationToken(ctx, &stsclient.GetFederationTokenInput{Name: aws.String("bob"),
		PolicyArns: []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/NoSuchPolicy")}}})
	refused(t, "policy that is not there", err, "MalformedPolicyDocument", "does not exist")
	_, err = root.GetFederationToken(ctx, &stsclient.GetFederationTokenInput{Name: aws.String("bob"),
		Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("A"), Value: aws.String("2")}}})
	refused(t, "tag twice", err, "InvalidParameterValue", "Tag keys are case insensitive")

	session := must(root.GetSessionToken(ctx, &stsclient.GetSessionTokenInput{}))
	_, err = kit.STSWith(region, testkit.Temporary(session.Credentials)).GetSessionToken(ctx, &stsclient.GetSessionTokenInput{})
	refused(t, "session of a session", err, "AccessDenied", "Cannot call GetSessionToken with session credentials")
}

// TestNoRoleNoOracle: a role that is not there, or not of this account, is
// refused in the words for one that does not trust the caller.
func TestNoRoleNoOracle(t *testing.T) {
	kit := testkit.Start(t)
	_, key := kit.UserWithKey("ann")
	kit.RoleTrusting("ops", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",`+
		`"Principal":{"AWS":"arn:aws:iam::999988887777:root"}}]}`)
	var texts []string
	for _, arn := range []string{
		"arn:aws:iam::111122223333:role/team/ops", "arn:aws:iam::111122223333:role/none",
		"arn:aws:iam::111122223333:role/ops", "arn:aws:iam::111122223333:role/team/OPS",
	} {
		_, err := kit.STSWith(region, key).AssumeRole(t.Context(), &stsclient.AssumeRoleInput{RoleArn: &arn, RoleSessionName: aws.String("s1")})
		refused(t, arn, err, "AccessDenied", "User: arn:aws:iam::111122223333:user/ann is not authorized to perform: sts:AssumeRole on resource: "+arn)
		_, text, _ := strings.Cut(err.Error(), "AccessDenied")
		texts = append(texts, strings.ReplaceAll(text, arn, "ARN"))
	}
	for _, text := range texts[1:] {
		if text != texts[0] {
			t.Errorf("%q tells more than %q", text, texts[0])
		}
	}
}

func TestAccessKeyInfo(t *testing.T) {
	kit := testkit.Start(t)
	ctx := t.Context()
	c := must(kit.STS(region).GetSessionToken(ctx, &stsclient.GetSessionTokenInput{}))
	for _, id := range []string{kit.Credentials.ID, *c.Credentials.AccessKeyId} {
		out, err := kit.STS(region).GetAccessKeyInfo(ctx, &stsclient.GetAccessKeyInfoInput{AccessKeyId: &id})
		if err != nil || *out.Account != testkit.Account {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range []string{"AKIAQNZGKIQY56JQ7WML", "ASIAQNZGKIQY56JQ7WML"} {
		_, err := kit.STS(region).GetAccessKeyInfo(ctx, &stsclient.GetAccessKeyInfoInput{AccessKeyId: &id})
		refused(t, id, err, "InvalidClientTokenId", "not of this account")
	}
}

func TestDecodeAuthorizationMessage(t *testing.T) {
	kit := testkit.Start(t)
	ctx := t.Context()
	message := must(kit.Sessions.EncodeDenial(ctx, sts.Denial{Action: "kms:Encrypt", Resource: "*"}))
	out := must(kit.STS(region).DecodeAuthorizationMessage(ctx, &stsclient.DecodeAuthorizationMessageInput{EncodedMessage: &message}))
	if !json.Valid([]byte(*out.DecodedMessage)) || !strings.Contains(*out.DecodedMessage, `"action":"kms:Encrypt"`) {
		t.Error(*out.DecodedMessage)
	}
	for what, bad := range map[string]string{"altered": "B" + message[1:], "cut": message[:len(message)-4], "text": "hello, world"} {
		_, err := kit.STS(region).DecodeAuthorizationMessage(ctx, &stsclient.DecodeAuthorizationMessageInput{EncodedMessage: &bad})
		refused(t, what, err, "InvalidAuthorizationMessageException", "not a valid encoded authorization message")
	}
}

// TestSessionsInTheLog: events say who was given credentials, never the
// credentials.
func TestSessionsInTheLog(t *testing.T) {
	kit := testkit.Start(t)
	before := kit.Log.Size()
	c := must(kit.STS(region).GetSessionToken(context.Background(), &stsclient.GetSessionTokenInput{}))
	identityOf(t, kit, testkit.Temporary(c.Credentials))
	log := bytes.Join(kit.Events(before), []byte("\n"))
	for what, secret := range map[string]string{"secret": *c.Credentials.SecretAccessKey, "token": *c.Credentials.SessionToken} {
		if bytes.Contains(log, []byte(secret)) {
			t.Errorf("the log holds the %s", what)
		}
	}
	if !bytes.Contains(log, []byte(`"accessKeyId":"`+*c.Credentials.AccessKeyId+`"`)) {
		t.Error("the log does not name the session's access key")
	}
}
