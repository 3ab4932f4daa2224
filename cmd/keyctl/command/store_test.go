package command_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
	"github.com/keyd-hsm/keyd/internal/testkit"
)

const clusterID = "cluster-2a23b4cdefg"

type storeAnswer struct {
	CustomKeyStoreID   string `json:"CustomKeyStoreId"`
	CustomKeyStoreName string
	ConnectionState    string
}

// TestStores: a key lives in another token, works while that is connected, and
// the store goes when it is empty.
func TestStores(t *testing.T) {
	cluster := testkit.NewCluster(t, clusterID)
	appliance(t, testkit.WithClusters(cluster))
	wantJSON(t, ok(t, "", "store", "list", "-o", "json"), `{"CustomKeyStores":[]}`)
	password := writeTemp(t, "pin", cluster.PIN+"\nnot this\n")
	made := answer[storeAnswer](t, "store", "create", "eu-hsm", "--cluster", clusterID, "--password-file", password)
	if made.CustomKeyStoreName != "eu-hsm" || made.ConnectionState != "DISCONNECTED" || !strings.HasPrefix(made.CustomKeyStoreID, "cks-") {
		t.Errorf("made %v", made)
	}
	fails(t, 7, "", []string{"key", "create", "--store", "eu-hsm"}, "(CustomKeyStoreInvalidStateException)", "keyctl store connect")
	if s := answer[storeAnswer](t, "store", "connect", "eu-hsm"); s.ConnectionState != "CONNECTED" {
		t.Errorf("after connecting: %v", s)
	}
	key := newKey(t, "--store", "eu-hsm", "--alias", "far")
	holds(t, ok(t, "", "key", "describe", key), "origin        AWS_CLOUDHSM", "key store     "+made.CustomKeyStoreID)
	ciphertext := ok(t, "secret", "encrypt", "--key", key)

	holds(t, ok(t, "", "store", "disconnect", made.CustomKeyStoreID), "DISCONNECTED")
	if r := keyctl(ciphertext, "decrypt"); r.code != 7 || !strings.Contains(r.stderr, "keyctl store connect") {
		t.Errorf("while disconnected: %+v", r)
	}
	fails(t, 7, "", []string{"store", "delete", "eu-hsm", "--yes"}, "(CustomKeyStoreHasCMKsException)", "schedule their deletion")
	holds(t, ok(t, "", "store", "update", "eu-hsm", "--name", "eu-2"), "eu-2")
	holds(t, ok(t, "", "store", "list"), "eu-2", made.CustomKeyStoreID, clusterID, "DISCONNECTED")
	ok(t, "", "store", "connect", "eu-2")
	if got := ok(t, ciphertext, "decrypt"); got != "secret" {
		t.Errorf("came back as %q", got)
	}
	if r := keyctl("", "__complete", "store", "connect", ""); !strings.Contains(r.stdout, "eu-2\t"+made.CustomKeyStoreID) {
		t.Errorf("completion: %q", r.stdout)
	}
}

func TestStorePasswords(t *testing.T) {
	cluster := testkit.NewCluster(t, clusterID)
	appliance(t, testkit.WithClusters(cluster))
	create := []string{"store", "create", "s", "--cluster", clusterID}
	fails(t, 2, "", create, "nobody to ask", "--password-file FILE")
	fails(t, 4, "", append(create, "--password-file", "/nowhere/pin"), "no such file")
	fails(t, 4, cluster.PIN, []string{"store", "create", "s", "--cluster", "cluster-234567abcde", "--password-file", "-"}, "(CloudHsmClusterNotFoundException)", "keyd's configuration")

	// Typed, it is not shown.
	ours, theirs := pty(t)
	fmt.Fprintln(ours, cluster.PIN)
	var stdout strings.Builder
	if code := command.Main(create, theirs, &stdout, theirs); code != 0 {
		t.Fatalf("code %d: %s", code, stdout.String())
	}
	fails(t, 7, cluster.PIN, []string{"store", "create", "other", "--cluster", clusterID, "--password-file", "-"}, "(CloudHsmClusterInUseException)")
	fails(t, 4, "", []string{"store", "connect", "none"}, "(CustomKeyStoreNotFoundException)", "keyctl store list")

	// A password that the token does not take.
	holds(t, ok(t, "wrong-password", "store", "update", "s", "--password-file", "-"), "DISCONNECTED")
	fails(t, 6, "", []string{"store", "connect", "s"}, "FAILED (INVALID_CREDENTIALS)", "keyctl store disconnect, then update")
}

// TestStoreDeleteAsks: the answer must name this store.
func TestStoreDeleteAsks(t *testing.T) {
	cluster := testkit.NewCluster(t, clusterID)
	appliance(t, testkit.WithClusters(cluster))
	fails(t, 2, "", []string{"store", "delete", "s"}, "nobody to ask")
	for typed, goesOn := range map[string]bool{"s": true, "y": false, "cks": false} {
		if r := keyctl(cluster.PIN, "store", "create", "s", "--cluster", clusterID, "--password-file", "-"); r.code != 0 && !strings.Contains(r.stderr, "InUse") {
			t.Fatalf("%+v", r)
		}
		ours, theirs := pty(t)
		fmt.Fprintln(ours, typed)
		var stdout strings.Builder
		code := command.Main([]string{"store", "delete", "s"}, theirs, &stdout, theirs)
		if left := ok(t, "", "store", "list"); strings.Contains(left, "\ns ") == goesOn || (code == 0) != goesOn {
			t.Errorf("%q: code %d, left %s", typed, code, left)
		}
	}
}
