package importrule_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/keyd-hsm/keyd/internal/importrule"
)

// TestRepository checks the tree this test stands in.
func TestRepository(t *testing.T) {
	violations, err := importrule.Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Error(v)
	}
}

// TestPlanted makes sure that the checker sees what it is there to see.
func TestPlanted(t *testing.T) {
	const ours = "github.com/keyd-hsm/keyd/"
	for _, c := range []struct{ file, imports, says string }{
		{"kms/a.go", ours + "store", ""},
		{"kms/a.go", ours + "kms/inner", ""},
		{"kms/inner/a.go", ours + "kms", ""},
		{"kms/a.go", ours + "server", "kms may not import server"},
		{"kms/inner/a.go", ours + "server/sigv4", "kms may not import server"},
		{"server/sigv4/a.go", ours + "api/kmsapi", ""},
		{"server/sigv4/a.go", ours + "store", "server may not import store"},
		{"server/sigv4/a_test.go", ours + "store/bolt", ""},
		{"server/a_test.go", ours + "envelope", "server may not import envelope"},
		{"hsm/a.go", ours + "hsm/pkcs11", "hsm may not import hsm/pkcs11"},
		{"hsm/a_test.go", ours + "hsm/pkcs11", ""},
		{"store/bolt/a.go", ours + "store", ""},
		{"store/bolt/a.go", ours + "store/etcd", "store/bolt may not import store/etcd"},
		{"cmd/keyctl/main.go", ours + "cmd/keyctl/command", ""},
		{"cmd/keyctl/command/a.go", ours + "kms", "cmd/keyctl/command may not import kms"},
		{"cmd/keyd/command/a.go", ours + "kms", ""},
		{"e2e/a_test.go", ours + "mfa", ""},
		{"kms/a.go", ours + "nowhere", "in no room of the table"},
		{"newroom/a.go", "fmt", "newroom is no room of the table"},
		{"internal/newroom/a.go", "fmt", "internal/newroom is no room of the table"},
		{"a.go", "fmt", ". is no room of the table"},
		{"kmsother/a.go", "fmt", "kmsother is no room of the table"},
		{"testdata/a.go", ours + "nowhere", ""},
		{"kms/.hidden/a.go", ours + "nowhere", ""},
		{"kms/a.go", "net/http", "kms may not import net/http"},
		{"kms/a.go", "net/http/httptest", "kms may not import net/http/httptest"},
		{"kms/a.go", "net/httpish", ""},
		{"kms/a_test.go", "net/http", ""},
		{"server/listen/a.go", "net/http", ""},
		{"kms/a_test.go", "github.com/miekg/pkcs11", "kms may not import github.com/miekg/pkcs11"},
		{"hsm/pkcs11/a.go", "github.com/miekg/pkcs11", ""},
		{"hsm/hsmtest/a.go", "github.com/miekg/pkcs11", "only hsm/pkcs11 may"},
		{"hsm/pkcs11/a.go", "github.com/go-piv/piv-go/v2/piv", "only hsm/piv may"},
		{"server/a.go", "go.etcd.io/bbolt", "only store/bolt may"},
		{"store/bolt/a.go", "go.etcd.io/etcd/client/v3", "only store/etcd may"},
		{"store/bolt/a.go", "go.etcd.io/bbolt/errors", ""},
	} {
		src := "//go:build never\n\npackage x\n\nimport _ \"" + c.imports + "\"\n"
		got, err := importrule.Check(fstest.MapFS{c.file: {Data: []byte(src)}})
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case c.says == "" && got != nil:
			t.Errorf("%s imports %s: %q, want no violation", c.file, c.imports, got)
		case c.says != "" && !slices.ContainsFunc(got, func(v string) bool {
			return strings.HasPrefix(v, c.file+": ") && strings.Contains(v, c.says)
		}):
			t.Errorf("%s imports %s: %q, want %q", c.file, c.imports, got, c.says)
		}
	}
}

// TestUnreadable: a file that cannot be read or parsed is no file without imports.
func TestUnreadable(t *testing.T) {
	if _, err := importrule.Check(fstest.MapFS{"kms/a.go": {Data: []byte("packag kms")}}); err == nil {
		t.Error("a file that is no Go passed")
	}
	if _, err := importrule.Check(os.DirFS("no such directory")); err == nil {
		t.Error("a tree that is not there passed")
	}
}
