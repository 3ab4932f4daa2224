package command_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
	"github.com/keyd-hsm/keyd/internal/testkit"
)

// become points the environment to somebody's access key.
func become(t *testing.T, provider aws.CredentialsProvider) {
	t.Helper()
	c, err := provider.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", c.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", c.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", c.SessionToken)
}

type grantAnswer struct {
	KeyID      string `json:"KeyId"`
	GrantID    string `json:"GrantId"`
	GrantToken string
}

// TestGrants: a user who may nothing may do what a grant says, until it ends.
func TestGrants(t *testing.T) {
	kit := appliance(t)
	root := testkit.LongTerm(kit.Credentials)
	_, bob := kit.UserWithKey("bob")
	kit.RoleTrusting("other", "")
	key := newKey(t, "--alias", "app")
	become(t, bob)
	fails(t, 3, "x", []string{"encrypt", "--key", key}, "AccessDenied")

	become(t, root)
	create := []string{"grant", "create", "alias/app", "--grantee", "user/bob", "--operations", "encrypt,Decrypt", "--operations", "DescribeKey",
		"--context-subset", "tenant=7", "--name", "bobs", "--retiring", "user/bob"}
	g := answer[grantAnswer](t, create...)
	if again := answer[grantAnswer](t, create...); again.GrantID != g.GrantID || g.KeyID != key || len(g.GrantID) != 64 {
		t.Errorf("a grant of the same name: %v, %v", g, again)
	}
	holds(t, ok(t, "", "grant", "list", "alias/app"), g.GrantID, "arn:aws:iam::111122223333:user/bob", "tenant=7 …", "bobs")
	if got := ok(t, "", "grant", "list", "alias/app", "--grantee", "role/team/other", "-o", "json"); strings.Contains(got, g.GrantID) {
		t.Errorf("a filter lets through %s", got)
	}

	become(t, bob)
	ciphertext := ok(t, "secret", "encrypt", "--key", key, "--context", "tenant=7", "--context", "a=b")
	fails(t, 3, "secret", []string{"encrypt", "--key", key, "--context", "tenant=8"}, "AccessDenied")
	become(t, root)
	holds(t, ok(t, "", "grant", "retirable", "--principal", "user/bob"), g.GrantID)
	become(t, bob)
	holds(t, ok(t, "", "grant", "retire", "--token", g.GrantToken), "retired")
	fails(t, 3, ciphertext, []string{"decrypt", "--context", "tenant=7", "--context", "a=b"}, "AccessDenied")
}

func TestGrantsRefused(t *testing.T) {
	appliance(t)
	key := newKey(t)
	for _, tc := range []struct {
		code  int
		args  []string
		holds string
	}{
		{2, []string{"create", key, "--grantee", "user/bob", "--operations", "Fly"}, "must be one of"},
		{2, []string{"create", key, "--grantee", "bob", "--operations", "Encrypt"}, "must be an ARN, user/NAME or role/NAME"},
		{2, []string{"create", key, "--grantee", "user/bob"}, "operations"},
		{2, []string{"create", key, "--grantee", "user/bob", "--operations", "Encrypt"}, "is there such a user or role?"},
		{2, []string{"retire"}, "by its key and id, or by its token"},
		{2, []string{"retire", key}, "by its key and id, or by its token"},
		{2, []string{"retire", key, "x", "--token", "y"}, "by its key and id, or by its token"},
		{2, []string{"revoke", key, "x"}, "nobody to ask"},
		{4, []string{"revoke", key, strings.Repeat("0", 64), "--yes"}, "NotFoundException"},
		{2, []string{"retire", "--token", "AAAA"}, "InvalidGrantTokenException"},
	} {
		fails(t, tc.code, "", append([]string{"grant"}, tc.args...), tc.holds)
	}
}

// TestGrantRevokeAsks: the answer must name this grant.
func TestGrantRevokeAsks(t *testing.T) {
	kit := appliance(t)
	kit.UserWithKey("bob")
	key := newKey(t)
	for typed, goesOn := range map[string]bool{"NAME": true, "ID": true, "SHORT": true, "y": false, "other": false, "": false} {
		g := answer[grantAnswer](t, "grant", "create", key, "--grantee", "user/bob", "--operations", "Encrypt", "--name", "mine")
		typed = strings.NewReplacer("NAME", "mine", "ID", g.GrantID, "SHORT", g.GrantID[:8]).Replace(typed)
		ours, theirs := pty(t)
		fmt.Fprintln(ours, typed)
		var stdout strings.Builder
		code := command.Main([]string{"grant", "revoke", key, g.GrantID}, theirs, &stdout, theirs)
		if left := ok(t, "", "grant", "list", key, "-o", "json"); strings.Contains(left, g.GrantID) == goesOn || (code == 0) != goesOn {
			t.Errorf("%q: code %d, left %s", typed, code, left)
		}
	}
}
