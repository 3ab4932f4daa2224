package server_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/store"
)

const (
	idpURL    = "https://idp.example"
	idpClient = "sts.amazonaws.com"
)

// withProvider starts an appliance whose account trusts an OIDC issuer.
func withProvider(t *testing.T) (*testkit.Kit, *testkit.Issuer) {
	kit := testkit.Start(t)
	kit.Update(func(tx store.Tx) error {
		_, err := kit.Identities.CreateOIDCProvider(tx, iam.NewOIDCProvider{URL: idpURL, ClientIDs: []string{idpClient}})
		return err
	})
	return kit, kit.NewIssuer(idpURL)
}

// webTrust trusts bearers of the issuer's tokens whose subject is a pod.
const webTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",
	"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/idp.example"},
	"Condition":{"StringEquals":{"idp.example:aud":"sts.amazonaws.com"},"StringLike":{"idp.example:sub":"pod-*"}}}]}`

func webIdentity(t *testing.T, kit *testkit.Kit, role, token string) (*stsclient.AssumeRoleWithWebIdentityOutput, error) {
	t.Helper()
	return kit.STSWith(region, aws.AnonymousCredentials{}).AssumeRoleWithWebIdentity(t.Context(), &stsclient.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, RoleSessionName: aws.String("s1"), WebIdentityToken: &token,
	})
}

// TestWebIdentityRefused: an unsigned call gets no further than its token goes,
// and its event holds who called but not the token.
func TestWebIdentityRefused(t *testing.T) {
	kit, idp := withProvider(t)
	pods := kit.RoleTrusting("pods", webTrust).ARN()
	closed := kit.RoleTrusting("closed", "").ARN()
	const denied = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
	for _, c := range []struct{ what, role, token, code, text string }{
		{"no JWT", pods, "abcd", "InvalidIdentityToken", "not a valid JWT"},
		{"wrong audience", pods, idp.Token("other", "pod-1", nil), "InvalidIdentityToken", "Incorrect token audience"},
		{"unknown issuer", pods, kit.NewIssuer("https://other.example").Token(idpClient, "pod-1", nil), "InvalidIdentityToken",
			"No OpenIDConnect provider found in your account for https://other.example"},
		{"expired", pods, idp.Token(idpClient, "pod-1", map[string]any{"exp": 1}), "ExpiredTokenException", "Token expired: current date/time"},
		{"not trusted by the role", closed, idp.Token(idpClient, "pod-1", nil), "AccessDenied", denied},
		{"another subject", pods, idp.Token(idpClient, "admin", nil), "AccessDenied", denied},
		{"no such role", strings.Replace(pods, "pods", "none", 1), idp.Token(idpClient, "pod-1", nil), "AccessDenied", denied},
		{"no role", "arn:aws:iam::111122223333:user/ann", idp.Token(idpClient, "pod-1", nil), "ValidationError", "Request ARN is invalid"},
	} {
		before := kit.Log.Size()
		_, err := webIdentity(t, kit, c.role, c.token)
		refused(t, c.what, err, c.code, c.text)
		events := kit.Events(before)
		if len(events) != 1 || bytes.Contains(events[0], []byte(c.token)) {
			t.Errorf("%s: %d events, or one with the token", c.what, len(events))
			continue
		}
		var e struct {
			UserIdentity struct{ Type, PrincipalID string }
		}
		if err := json.Unmarshal(events[0], &e); err != nil {
			t.Error(err)
		}
		if c.code == "AccessDenied" && (e.UserIdentity.Type != "WebIdentityUser" || !strings.HasPrefix(e.UserIdentity.PrincipalID,
			"arn:aws:iam::111122223333:oidc-provider/idp.example:sts.amazonaws.com:")) {
			t.Errorf("%s: event of %+v", c.what, e.UserIdentity)
		}
	}
	_, err := kit.STSWith(region, aws.AnonymousCredentials{}).AssumeRoleWithWebIdentity(t.Context(), &stsclient.AssumeRoleWithWebIdentityInput{
		RoleArn: &pods, RoleSessionName: aws.String("s1"), WebIdentityToken: aws.String("abcd"), ProviderId: aws.String("www.amazon.com")})
	refused(t, "OAuth token", err, "ValidationError", "ProviderId")
	kit.Update(func(tx store.Tx) error {
		return kit.Identities.DeleteOIDCProvider(tx, "arn:aws:iam::111122223333:oidc-provider/idp.example")
	})
	_, err = webIdentity(t, kit, pods, idp.Token(idpClient, "pod-1", nil))
	refused(t, "provider deleted", err, "InvalidIdentityToken", "No OpenIDConnect provider found")
}
