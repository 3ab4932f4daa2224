package softhsm_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/softhsm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// use opens the token and asks something of it.
func use(t *testing.T, s *softhsm.Token) *pkcs11.Token {
	t.Helper()
	token, err := pkcs11.Open(t.Context(), s.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := token.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return token
}

func TestCreateAndOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if _, err := softhsm.Open(dir, softhsm.Options{}); !errors.Is(err, softhsm.ErrNone) {
		t.Errorf("Open before Create: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open invented the directory: %v", err)
	}
	made, err := softhsm.Create(t.Context(), dir, softhsm.Options{Label: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := softhsm.Create(t.Context(), dir, softhsm.Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Create: %v", err)
	}
	token := use(t, made)
	if token.Info() != made.Info || made.Info.Label != "mine" {
		t.Errorf("Info = %v, Create said %v", token.Info(), made.Info)
	}
	if err := token.CreateDomainKey(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	if err := token.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := softhsm.Open(dir, softhsm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := use(t, again).Check(t.Context(), "d"); err != nil {
		t.Error(err)
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if i, err := d.Info(); err != nil || i.Mode().Perm()&0o077 != 0 && path != dir {
			t.Errorf("%s has mode %v, %v: others may read it", path, i.Mode(), err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestMoved: a directory that was moved is a token still.
func TestMoved(t *testing.T) {
	base := t.TempDir()
	from, to := filepath.Join(base, "from"), filepath.Join(base, "to")
	if _, err := softhsm.Create(t.Context(), from, softhsm.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	s, err := softhsm.Open(to, softhsm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	use(t, s)
}

// TestInterrupted takes back, step by step from the end, what Create had done:
// Open takes none of it for a token, and Create begins again.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	first, err := softhsm.Create(t.Context(), dir, softhsm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "incomplete"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := softhsm.Create(t.Context(), dir, softhsm.Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create beside a whole token: %v", err)
	}
	use(t, first).Close()
	for _, lost := range []string{"token.json", "so-pin", "pin", "softhsm2.conf", "tokens"} {
		if err := os.RemoveAll(filepath.Join(dir, lost)); err != nil {
			t.Fatal(err)
		}
		if _, err := softhsm.Open(dir, softhsm.Options{}); !errors.Is(err, softhsm.ErrNone) {
			t.Errorf("Open without %s: %v", lost, err)
		}
	}
	again, err := softhsm.Create(t.Context(), dir, softhsm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if again.Info.Serial == first.Info.Serial {
		t.Error("the interrupted token came back")
	}
	use(t, again)
}

// TestForeignDirectory: what Create did not make it does not touch.
func TestForeignDirectory(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "tokens", "precious")
	if err := os.MkdirAll(precious, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := softhsm.Create(t.Context(), dir, softhsm.Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create: %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestOneDirectoryAtATime(t *testing.T) {
	s, err := softhsm.Create(t.Context(), t.TempDir(), softhsm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	token := use(t, s)
	other := t.TempDir()
	if _, err := softhsm.Create(t.Context(), other, softhsm.Options{}); err == nil || !strings.Contains(err.Error(), s.Dir) {
		t.Errorf("Create while another directory is in use: %v", err)
	}
	if err := token.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = softhsm.Create(t.Context(), other, softhsm.Options{}); err != nil {
		t.Fatalf("Create after Close: %v", err)
	}
	use(t, s)
}

func TestMissingModule(t *testing.T) {
	module := filepath.Join(t.TempDir(), "libsofthsm2.so")
	if _, err := softhsm.Create(t.Context(), t.TempDir(), softhsm.Options{Module: module}); err == nil || !strings.Contains(err.Error(), module) {
		t.Errorf("Create with a module that is not there: %v", err)
	}
	if e := softhsm.ErrNoModule.Error(); !strings.Contains(e, "make setup") || !strings.Contains(e, "softhsm2") {
		t.Errorf("ErrNoModule says %q: not what to do", e)
	}
}

// TestTest: tests in parallel, some with two tokens.
func TestTest(t *testing.T) {
	for range 4 {
		t.Run("parallel", func(t *testing.T) {
			t.Parallel()
			a, b := softhsm.Test(t), softhsm.Test(t)
			if a.Info == b.Info {
				t.Error("two tests share a token")
			}
			for _, s := range []*softhsm.Token{a, b} {
				if err := use(t, s).CreateDomainKey(t.Context(), "d"); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
