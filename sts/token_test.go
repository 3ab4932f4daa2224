package sts_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/sts"
)

// noToken reports whether a token was refused as one, not for want of something
// to look into it.
func noToken(err error) bool {
	return errors.Is(err, sts.ErrInvalidToken) || errors.Is(err, testkit.ErrSealed)
}

func TestForgedTokens(t *testing.T) {
	kit, other := testkit.Start(t), testkit.Start(t)
	s, ctx := kit.Sessions, t.Context()
	c, err := s.UserSession(ctx, iam.Root(account), 0, sts.MFA{})
	verified(t, s, c, err)
	second, err := s.UserSession(ctx, iam.Root(account), 0, sts.MFA{})
	verified(t, s, second, err)
	foreign, err := other.Sessions.UserSession(ctx, iam.Root(account), 0, sts.MFA{})
	verified(t, other.Sessions, foreign, err)
	denial, err := s.EncodeDenial(ctx, sts.Denial{Action: "kms:Encrypt", Resource: "*"})
	if err != nil {
		t.Fatal(err)
	}
	token := string(c.Token)
	forged := map[string]string{
		"none": "", "of another key": string(second.Token), "of another appliance": string(foreign.Token),
		"of another purpose": denial, "too long": strings.Repeat("A", 1<<20), "with a line end": token[:9] + "\n" + token[9:],
		"with padding": token + "=", "doubled": token + token, "not base64": "%%%%",
	}
	for i := range len(token) {
		b := []byte(token)
		b[i] ^= 1
		forged[fmt.Sprint("altered at ", i)] = string(b)
	}
	for _, n := range []int{1, 20, len(token) / 2, len(token) - 4, len(token) - 1} {
		forged[fmt.Sprint("cut to ", n)] = token[:n]
	}
	for what, token := range forged {
		if _, err := s.Verify(ctx, c.AccessKeyID, token); !noToken(err) {
			t.Errorf("token %s: %v", what, err)
		}
		if _, _, err := s.Secret(ctx, c.AccessKeyID, token); !noToken(err) {
			t.Errorf("secret by token %s: %v", what, err)
		}
	}
}

// TestOneToken: a token is taken in one spelling only, whatever its length.
func TestOneToken(t *testing.T) {
	kit := testkit.Start(t)
	for _, name := range []string{"bo", "bob", "bobb", "bobby"} {
		c, err := kit.Sessions.FederationToken(t.Context(), iam.Root(account), sts.Federation{Name: name})
		verified(t, kit.Sessions, c, err)
		head, last := c.Token[:len(c.Token)-1], c.Token[len(c.Token)-1]
		for _, other := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
			if byte(other) == last {
				continue
			}
			if _, err := kit.Sessions.Verify(t.Context(), c.AccessKeyID, string(head)+string(other)); !noToken(err) {
				t.Errorf("%q instead of %q at the end: %v", other, last, err)
			}
		}
	}
}

// TestMemory: facts of tokens are kept in bounds, and secrets not at all.
func TestMemory(t *testing.T) {
	kit := testkit.Start(t)
	for range sts.MaxKnown + 10 {
		c, err := kit.Sessions.UserSession(t.Context(), iam.Root(account), 0, sts.MFA{})
		verified(t, kit.Sessions, c, err)
	}
	if tokens, secrets := sts.RememberedSecrets(kit.Sessions); tokens != sts.MaxKnown || secrets != 0 {
		t.Errorf("%d tokens kept, %d secrets", tokens, secrets)
	}
}

// TestSecrets: the form of temporary credentials, and that they are not printed.
func TestSecrets(t *testing.T) {
	kit := testkit.Start(t)
	s, ctx := kit.Sessions, t.Context()
	c, err := s.UserSession(ctx, iam.Root(account), 0, sts.MFA{})
	verified(t, s, c, err)
	if len(c.AccessKeyID) != 20 || !strings.HasPrefix(c.AccessKeyID, "ASIA") || len(c.Secret) != 40 {
		t.Errorf("id %s, secret of %d characters", c.AccessKeyID, len(c.Secret))
	}
	secret, expires, err := s.Secret(ctx, c.AccessKeyID, string(c.Token))
	if err != nil || string(secret) != string(c.Secret) || !expires.Equal(c.Expires) {
		t.Errorf("secret: %v, expires %v", err, expires)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, c); strings.Contains(text, string(c.Secret)) || strings.Contains(text, string(c.Token)) {
			t.Errorf("%s shows a secret", verb)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(string(c.Token))
	if err != nil || bytes.Contains(raw, []byte(c.Secret)) || bytes.Contains(raw, []byte(c.AccessKeyID)) {
		t.Errorf("the token is not sealed: %v", err)
	}
}

// TestAccountOf: the account in the id of a temporary key. The first id is in
// public write-ups of AWS's form.
func TestAccountOf(t *testing.T) {
	for id, want := range map[string]string{
		"ASIAQNZGKIQY56JQ7WML": "029608264753",
		"AKIAQNZGKIQY56JQ7WML": "", "ASIAQNZGKIQY": "", "ASIA": "", "ASIA0189!!!!!!!!!!!!": "",
	} {
		if got, ok := sts.AccountOf(id); got != want || ok != (want != "") {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	kit := testkit.Start(t)
	seen := make(map[string]bool)
	for range 100 {
		c, err := kit.Sessions.UserSession(t.Context(), iam.Root(account), 0, sts.MFA{})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := sts.AccountOf(c.AccessKeyID); got != account || seen[c.AccessKeyID] {
			t.Fatalf("%s: account %q, seen %v", c.AccessKeyID, got, seen[c.AccessKeyID])
		}
		seen[c.AccessKeyID] = true
	}
}

// TestDenial: an authorization message comes back as AWS's decoded ones look,
// and is never longer than may be decoded.
func TestDenial(t *testing.T) {
	kit := testkit.Start(t)
	s, ctx := kit.Sessions, t.Context()
	d := sts.Denial{
		Explicit: true, Caller: iam.Principal{ID: "AIDAEXAMPLE", Name: "ann", ARN: "arn:aws:iam::1:user/ann"},
		Action: "kms:Encrypt", Resource: "arn:aws:kms:eu-1:1:key/k",
		Matched: []sts.DenialStatement{{Policy: "p", Sid: "S1", Effect: "DENY"}},
		Facts:   []sts.DenialFact{{Key: "aws:username", Values: []string{"ann"}}},
	}
	message, err := s.EncodeDenial(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.DecodeDenial(ctx, message)
	const want = `{"allowed":false,"explicitDeny":true,"matchedStatements":{"items":[{"sourcePolicy":"p","statementId":"S1","effect":"DENY"}]},` +
		`"failures":{"items":[]},"context":{"principal":{"id":"AIDAEXAMPLE","name":"ann","arn":"arn:aws:iam::1:user/ann"},` +
		`"action":"kms:Encrypt","resource":"arn:aws:kms:eu-1:1:key/k","conditions":{"items":[{"key":"aws:username","values":{"items":[{"value":"ann"}]}}]}}}`
	if err != nil || text != want {
		t.Errorf("%v\n%s\nwant\n%s", err, text, want)
	}
	for range 1000 {
		d.Facts = append(d.Facts, sts.DenialFact{Key: "k", Values: []string{strings.Repeat("v", 100)}})
		d.Matched = append(d.Matched, d.Matched[0])
	}
	message, err = s.EncodeDenial(ctx, d)
	if err != nil || len(message) > 10_240 {
		t.Fatalf("%d characters, %v", len(message), err)
	}
	text, err = s.DecodeDenial(ctx, message)
	if err != nil || !json.Valid([]byte(text)) || !strings.Contains(text, "kms:Encrypt") {
		t.Errorf("%v: %s", err, text)
	}
	c, err := s.UserSession(ctx, iam.Root(account), 0, sts.MFA{})
	verified(t, s, c, err)
	if _, err := s.DecodeDenial(ctx, string(c.Token)); !errors.Is(err, testkit.ErrSealed) {
		t.Errorf("a session token decodes: %v", err)
	}
	_, err = s.DecodeDenial(ctx, "%%%")
	refused(t, "no message", err, "InvalidAuthorizationMessageException", "")
}

// FuzzToken: nothing but a token that was issued is taken, and nothing panics.
func FuzzToken(f *testing.F) {
	kit := testkit.Start(f)
	c, err := kit.Sessions.UserSession(f.Context(), iam.Root(account), time.Hour, sts.MFA{})
	if err != nil {
		f.Fatal(err)
	}
	token := string(c.Token)
	f.Add(c.AccessKeyID, token)
	f.Add("ASIAQNZGKIQY56JQ7WML", token)
	f.Add(c.AccessKeyID, token[:len(token)-2])
	f.Add(c.AccessKeyID, "AQAAAAE")
	f.Fuzz(func(t *testing.T, id, text string) {
		p, err := kit.Sessions.Verify(t.Context(), id, text)
		switch {
		case id == c.AccessKeyID && text == token:
			if err != nil || !p.IsRoot() {
				t.Errorf("the token itself: %v", err)
			}
		case !noToken(err):
			t.Errorf("%q with %q: %v", text, id, err)
		}
	})
}
