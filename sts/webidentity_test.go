package sts_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/sts"
)

const (
	issuerURL = "https://idp.example/realms/one"
	client    = "sts.amazonaws.com"
)

// withIssuer starts an appliance that has an identity provider.
func withIssuer(t testing.TB) (*testkit.Kit, *testkit.Issuer) {
	kit := testkit.Start(t)
	kit.Update(func(tx store.Tx) error {
		_, err := kit.Identities.CreateOIDCProvider(tx, iam.NewOIDCProvider{URL: issuerURL, ClientIDs: []string{client, "second"}})
		return err
	})
	return kit, kit.NewIssuer(issuerURL)
}

func TestWebIdentity(t *testing.T) {
	kit, idp := withIssuer(t)
	s, ctx := kit.Sessions, t.Context()
	w, err := s.WebIdentity(ctx, idp.Token(client, "pod-1", map[string]any{"azp": "web", "amr": []string{"mfa", "pwd"}}))
	if err != nil {
		t.Fatal(err)
	}
	provider := "arn:aws:iam::" + account + ":oidc-provider/idp.example/realms/one"
	want := &sts.WebIdentity{
		Issuer: issuerURL, Provider: provider, Account: account, Audience: client, Subject: "pod-1",
		AuthorizedParty: "web", Methods: []string{"mfa", "pwd"},
	}
	if diff := cmp.Diff(want, w); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	facts := map[string]string{
		"idp.example/realms/one:aud": client, "idp.example/realms/one:sub": "pod-1", "idp.example/realms/one:azp": "web",
	}
	role := kit.RoleTrusting("pods", "")
	c, err := s.AssumeRoleWithWebIdentity(ctx, w, role, sts.WebSession{Name: "s1"})
	p := verified(t, s, c, err)
	if p.Type != iam.TypeAssumedRole || p.ID != role.ID+":s1" || p.Session.Provider != provider {
		t.Errorf("principal %+v", p)
	}
	if diff := cmp.Diff(facts, p.Session.Context); diff != "" {
		t.Errorf("condition keys (-want +got):\n%s", diff)
	}
	if caller := w.Principal(); caller.Account != account || caller.Type != sts.TypeWebIdentity || caller.Session.Provider != provider {
		t.Errorf("caller %+v", caller)
	}
	if w, err := s.WebIdentity(ctx, idp.Token(client, "x", map[string]any{"aud": []string{"other", "second"}, "amr": "pwd"})); err != nil ||
		w.Audience != "second" || len(w.Methods) != 1 {
		t.Errorf("list of audiences: %+v, %v", w, err)
	}
}

// TestRefusedTokens: what the token's claims or signature make wrong.
func TestRefusedTokens(t *testing.T) {
	kit, idp := withIssuer(t)
	now := time.Now()
	stranger := kit.NewIssuer("https://stranger.example")
	plain := kit.NewIssuer("http://idp.example/realms/one")
	thief := *idp // the issuer's name with a key of its own
	thief.Key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	renamed := *idp
	renamed.KeyID = "2"

	good := idp.Token(client, "pod-1", nil)
	parts := strings.Split(good, ".")
	encode := base64.RawURLEncoding.EncodeToString
	other := idp.Token(client, "admin", nil)
	for _, c := range []struct{ what, token, code, text string }{
		{"no JWT", "abcd", "InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"},
		{"too long", strings.Repeat("a", 20_001), "InvalidIdentityToken", "not a valid JWT"},
		{"alg none", encode([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", "InvalidIdentityToken", "not a valid JWT"},
		{"HMAC by the public key", hmacToken(t, idp), "InvalidIdentityToken", "not a valid JWT"},
		{"claims of another token", parts[0] + "." + strings.Split(other, ".")[1] + "." + parts[2], "InvalidIdentityToken", "signature"},
		{"no signature", parts[0] + "." + parts[1] + ".", "InvalidIdentityToken", ""},
		{"another key under the id", thief.Token(client, "pod-1", nil), "InvalidIdentityToken", "signature"},
		{"a key id that is not known", renamed.Token(client, "pod-1", nil), "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider,  please reference"},
		{"unknown issuer", stranger.Token(client, "pod-1", nil), "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://stranger.example"},
		{"issuer over HTTP", plain.Token(client, "pod-1", nil), "InvalidIdentityToken", "No OpenIDConnect provider found in your account for http://idp.example"},
		{"issuer with more", idp.Token(client, "pod-1", map[string]any{"iss": issuerURL + "/"}), "InvalidIdentityToken", "No OpenIDConnect provider found"},
		{"no issuer", idp.Token(client, "pod-1", map[string]any{"iss": nil}), "InvalidIdentityToken", "Missing a required claim: iss"},
		{"no subject", idp.Token(client, "", nil), "InvalidIdentityToken", "Missing a required claim: sub"},
		{"no audience", idp.Token(client, "pod-1", map[string]any{"aud": nil}), "InvalidIdentityToken", "Missing a required claim: aud"},
		{"no end", idp.Token(client, "pod-1", map[string]any{"exp": nil}), "InvalidIdentityToken", "Missing a required claim: exp"},
		{"no beginning", idp.Token(client, "pod-1", map[string]any{"iat": nil}), "InvalidIdentityToken", "Missing a required claim: iat"},
		{"wrong audience", idp.Token("somebody", "pod-1", nil), "InvalidIdentityToken", "Incorrect token audience"},
		{"expired", idp.Token(client, "pod-1", map[string]any{"exp": now.Add(-2 * time.Minute).Unix()}), "ExpiredTokenException", "Token expired: current date/time"},
		{"not yet valid", idp.Token(client, "pod-1", map[string]any{"nbf": now.Add(3 * time.Minute).Unix()}), "InvalidIdentityToken", "not valid yet"},
		{"of the future", idp.Token(client, "pod-1", map[string]any{"iat": now.Add(3 * time.Minute).Unix()}), "InvalidIdentityToken", "not valid yet"},
	} {
		w, err := kit.Sessions.WebIdentity(t.Context(), c.token)
		refused(t, c.what, err, c.code, c.text)
		if w != nil {
			t.Errorf("%s: %+v", c.what, w)
		}
	}
	for what, claims := range map[string]map[string]any{
		"clock ahead":  {"iat": now.Add(30 * time.Second).Unix(), "nbf": now.Add(30 * time.Second).Unix()},
		"clock behind": {"exp": now.Add(-30 * time.Second).Unix()},
	} {
		if _, err := kit.Sessions.WebIdentity(t.Context(), idp.Token(client, "pod-1", claims)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// hmacToken signs with the issuer's public key as if it were a shared secret.
func hmacToken(t *testing.T, idp *testkit.Issuer) string {
	t.Helper()
	public, err := json.Marshal(jose.JSONWebKey{Key: idp.Key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	return signed(t, jose.HS256, public, map[string]any{"iss": issuerURL})
}

func signed(t *testing.T, alg jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestKeysOfIssuers: each algorithm by the kind of key it is for, and no key
// that is for something else, or too small.
func TestKeysOfIssuers(t *testing.T) {
	kit, _ := withIssuer(t)
	big, small := rsaKey(t, 2048), rsaKey(t, 1024)
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	for _, c := range []struct {
		what string
		alg  jose.SignatureAlgorithm
		key  crypto.Signer
		set  jose.JSONWebKey // Key is added
		good bool
	}{
		{"RS256", jose.RS256, big, jose.JSONWebKey{}, true},
		{"RS512, with all said", jose.RS512, big, jose.JSONWebKey{Use: "sig", Algorithm: "RS512"}, true},
		{"PS384", jose.PS384, big, jose.JSONWebKey{}, true},
		{"ES256", jose.ES256, p256, jose.JSONWebKey{}, true},
		{"ES384", jose.ES384, p384, jose.JSONWebKey{}, true},
		{"ES512", jose.ES512, p521, jose.JSONWebKey{}, true},
		{"small RSA key", jose.RS256, small, jose.JSONWebKey{}, false},
		{"key for encryption", jose.RS256, big, jose.JSONWebKey{Use: "enc"}, false},
		{"key for another algorithm", jose.RS256, big, jose.JSONWebKey{Algorithm: "PS256"}, false},
	} {
		cfg := kit.Sessions.Config
		cfg.IssuerKeys = func(context.Context, string, bool) ([]byte, error) {
			k := c.set
			k.Key, k.KeyID = c.key.Public(), "k"
			return json.Marshal(map[string]any{"keys": []any{map[string]string{"kty": "unheard-of"}, k}})
		}
		token := signed(t, c.alg, c.key, map[string]any{
			"iss": issuerURL, "aud": client, "sub": "x", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()})
		if _, err := sts.New(cfg).WebIdentity(t.Context(), token); (err == nil) != c.good {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestIssuerAway: an issuer that cannot be asked, and one that has changed its keys.
func TestIssuerAway(t *testing.T) {
	kit, idp := withIssuer(t)
	cfg := kit.Sessions.Config
	cfg.IssuerKeys = func(context.Context, string, bool) ([]byte, error) {
		return nil, errors.New("no route to secret.internal")
	}
	_, err := sts.New(cfg).WebIdentity(t.Context(), idp.Token(client, "x", nil))
	refused(t, "away", err, "IDPCommunicationError", issuerURL)
	if strings.Contains(err.Error(), "secret.internal") {
		t.Errorf("a stranger learns why: %v", err)
	}
	var asked []bool
	cfg.IssuerKeys = func(ctx context.Context, issuer string, fresh bool) ([]byte, error) {
		if asked = append(asked, fresh); !fresh {
			return []byte(`{"keys":[]}`), nil
		}
		return kit.Sessions.IssuerKeys(ctx, issuer, fresh)
	}
	if _, err := sts.New(cfg).WebIdentity(t.Context(), idp.Token(client, "x", nil)); err != nil || len(asked) != 2 {
		t.Errorf("keys changed: %v, asked %v", err, asked)
	}
}

// FuzzWebIdentity: no token is believed but one that the issuer signed.
func FuzzWebIdentity(f *testing.F) {
	kit, idp := withIssuer(f)
	good := idp.Token(client, "x", map[string]any{"exp": time.Now().Add(time.Hour).Unix()})
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlL3JlYWxtcy9vbmUifQ.")
	f.Fuzz(func(t *testing.T, token string) {
		w, err := kit.Sessions.WebIdentity(t.Context(), token)
		if err == nil && w.Subject != "x" || token == good && err != nil {
			t.Errorf("%q: %+v, %v", token, w, err)
		}
		if refusal := (*iam.Error)(nil); err != nil && !errors.As(err, &refusal) {
			t.Errorf("%q: %v", token, err)
		}
	})
}
