package softhsm_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyd-hsm/keyd/softhsm"
)

// TestMend cuts the token's own file short, as a process does that is killed
// while it logs in, and that of a second token. The next Open has both as they
// were, with their keys.
func TestMend(t *testing.T) {
	dir := t.TempDir()
	made, err := softhsm.Create(t.Context(), dir, softhsm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := made.Second(t.Context()); err != nil {
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
	if err != nil || len(objects) != 2 {
		t.Fatalf("token files %q, %v: the test knows SoftHSM2's layout no more", objects, err)
	}
	for _, left := range []int64{0, 100} {
		for _, path := range objects {
			if err := os.Truncate(path, left); err != nil {
				t.Fatal(err)
			}
		}
		again, err := softhsm.Open(dir, softhsm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		token := use(t, again)
		if err := token.Check(t.Context(), "d"); err != nil {
			t.Errorf("with %d bytes left: %v", left, err)
		}
		second, err := again.Second(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		other := use(t, second)
		if err := other.CreateDomainKey(t.Context(), fmt.Sprint("d", left)); err != nil {
			t.Errorf("second token with %d bytes left: %v", left, err)
		}
		if other.Info() == token.Info() {
			t.Errorf("second token is the first, %v", other.Info())
		}
		if err := errors.Join(token.Close(), other.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
