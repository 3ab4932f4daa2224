package pkcs11_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/softhsm"
)

// lockEnv makes this test program a process that holds locks on the files
// under a directory until its standard input ends.
const lockEnv = "KEYD_TEST_LOCK"

func init() {
	if dir := os.Getenv(lockEnv); dir != "" {
		if err := lockFiles(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("locked")
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		os.Exit(0)
	}
}

func lockFiles(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return unix.FcntlFlock(f.Fd(), unix.F_SETLKW, &unix.Flock_t{Type: unix.F_WRLCK})
	})
}

// TestHang makes SoftHSM2 hang for real: another process holds the locks of
// its files, so that a call that looks at the token waits inside C. Callers
// leave when their contexts end, goroutines do not pile up, and when the hang
// is over all works again.
func TestHang(t *testing.T) {
	s := softhsm.Test(t)
	token, keys := opened(t, s.Config(), 1)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	locker := exec.CommandContext(t.Context(), self)
	locker.Env = append(os.Environ(), lockEnv+"="+filepath.Join(s.Dir, "tokens"))
	in, err := locker.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := locker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := locker.Start(); err != nil {
		t.Fatal(err)
	}
	if said, err := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(said) != "locked" {
		t.Fatalf("locker: %q, %v", said, err)
	}
	before, told := runtime.NumGoroutine(), 0
	for range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		err := token.Check(ctx, domain)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Check while the module hangs: %v", err)
		}
		// A busy machine may let the time pass before the call begins.
		if errors.Is(err, hsm.ErrUnavailable) {
			told++
		}
	}
	if told == 0 {
		t.Error("no call said that the token is unavailable")
	}
	// One call hangs on the session that makes keys; its goroutine is all that
	// may be left, give or take one that is just ending.
	if n := runtime.NumGoroutine(); n > before+5 {
		t.Errorf("%d goroutines after 200 calls, %d before", n, before)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := locker.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := token.Check(t.Context(), domain); err != nil {
		t.Errorf("Check after the hang: %v", err)
	}
	if _, err := token.MAC(t.Context(), keys[0], nil); err != nil {
		t.Errorf("MAC after the hang: %v", err)
	}
}
