package command

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/server"
)

// mfaConfig reads a configuration with this under mfa.
func mfaConfig(t *testing.T, text string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyd.yaml")
	if err := os.WriteFile(path, []byte("data_dir: x\ntoken: {module: m, label: l}\nmfa: {"+text+"}"), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadConfig(configFlags{file: path}, none)
}

// TestLocalUsers: names become uids, words become what they mean.
func TestLocalUsers(t *testing.T) {
	c, err := mfaConfig(t, `socket: s, local_users: [{who: [root, 1000, "*"], about: [alice, "*", $self, root]}, {who: [0], about: [bob], may: [credentials]}]`)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := c.MFA.rules()
	if err != nil {
		t.Fatal(err)
	}
	want := []server.LocalRule{
		{UIDs: []uint32{0, 1000}, Everybody: true, Users: []string{"alice", "root"}, AnyUser: true, Self: true,
			May: []server.Right{server.MayAsk, server.MayAnswer}},
		{UIDs: []uint32{0}, Users: []string{"bob"}, May: []server.Right{server.MayCredentials}},
	}
	if diff := cmp.Diff(want, rules); diff != "" {
		t.Error(diff)
	}
}

func TestLocalUsersRefused(t *testing.T) {
	for text, says := range map[string]string{
		`socket: s`: "nobody might use it",
		`local_users: [{who: [root], about: ["*"]}]`:                        "socket is not set",
		`socket: s, socket_mode: "0888", local_users: []`:                   "socket_mode",
		`socket: s, local_users: [{about: ["*"]}]`:                          "rule 1 of local_users: who is not set",
		`socket: s, local_users: [{who: [root]}]`:                           "about is not set",
		`socket: s, local_users: [{who: [root], about: [$all]}]`:            `about "$all"`,
		`socket: s, local_users: [{who: [root], about: [a/b]}]`:             `about "a/b"`,
		`socket: s, local_users: [{who: [root], about: [a], may: [sudo]}]`:  `may "sudo"`,
		`socket: s, local_users: [{who: [root], about: [a], maybe: [ask]}]`: "maybe",
	} {
		if _, err := mfaConfig(t, text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
	absent := "nosuchlocaluser"
	if _, err := user.Lookup(absent); err == nil {
		t.Fatalf("this machine has a user %s", absent)
	}
	for _, who := range []string{absent, strconv.FormatUint(1<<32, 10), "-1", `""`} {
		c, err := mfaConfig(t, `socket: s, local_users: [{who: [`+who+`], about: ["*"]}]`)
		if err != nil {
			t.Fatal(err)
		}
		if rules, err := c.MFA.rules(); err == nil {
			t.Errorf("who %s is %+v", who, rules)
		}
	}
}

// TestSocketHint: a socket without rules is refused with what to write, and that
// is taken.
func TestSocketHint(t *testing.T) {
	_, err := mfaConfig(t, "socket: s")
	var said strings.Builder
	if report(&said, err) != int(exitUsage) {
		t.Error("another exit code")
	}
	_, hint, ok := strings.Cut(said.String(), "write, for example: mfa: {")
	if !ok {
		t.Fatal(said.String())
	}
	c, err := mfaConfig(t, "socket: s, "+strings.TrimSuffix(strings.TrimSpace(hint), "}"))
	if err != nil {
		t.Fatal(err)
	}
	if rules, err := c.MFA.rules(); err != nil || len(rules) != 2 {
		t.Errorf("%+v %v", rules, err)
	}
}
