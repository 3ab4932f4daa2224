package softhsm_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keyd-hsm/keyd/softhsm"
)

// TestMend cuts the token's own file short, as a process does that is killed
// while it logs in. The next Open has the token as it was, and its keys.
func TestMend(t *testing.T) {
	dir := t.TempDir()
	made, err := softhsm.Create(t.Context(), dir, softhsm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	token := use(t, made)
	if err := token.CreateDomainKey(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	if err := token.Close(); err != nil {
		t.Fatal(err)
	}
	objects, err := filepath.Glob(filepath.Join(dir, "tokens", "*", "token.object"))
	if err != nil || len(objects) != 1 {
		t.Fatalf("token files %q, %v: the test knows SoftHSM2's layout no more", objects, err)
	}
	for _, left := range []int64{0, 100} {
		if err := os.Truncate(objects[0], left); err != nil {
			t.Fatal(err)
		}
		again, err := softhsm.Open(dir, softhsm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		token := use(t, again)
		if err := token.Check(t.Context(), "d"); err != nil {
			t.Errorf("with %d bytes left: %v", left, err)
		}
		if err := token.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
