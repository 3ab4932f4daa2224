package softhsm_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyd-hsm/keyd/softhsm"
)

// TestSecond: the second token is another one with the same PIN, found again, and
// made anew where making it was interrupted. Both work side by side.
func TestSecond(t *testing.T) {
	dir := t.TempDir()
	first, err := softhsm.Create(t.Context(), dir, softhsm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := first.Second(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := first.Second(t.Context()); err != nil || again.Info != second.Info || again.Info == first.Info {
		t.Errorf("first %v, second %v, then %v, %v", first.Info, second.Info, again, err)
	}
	if err := os.Remove(filepath.Join(dir, "second.json")); err != nil { // written last
		t.Fatal(err)
	}
	third, err := first.Second(t.Context())
	if err != nil || third.Info == second.Info {
		t.Fatalf("after an interruption %v, %v", third, err)
	}
	a, b := use(t, first), use(t, third)
	if err := errors.Join(a.CreateDomainKey(t.Context(), "d"), b.CreateDomainKey(t.Context(), "d")); err != nil {
		t.Error(err)
	}
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Error(err)
	}
}
