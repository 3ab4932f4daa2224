package durable_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/internal/durable"
)

func TestWriteFileReplacesAndSetsMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	// A crash between the temporary file and the rename leaves this.
	if err := os.WriteFile(path+".tmp", []byte("torn leftover, longer than the new content"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"one", "", "three"} {
		if err := durable.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Fatalf("read %q, %v; want %q", got, err, content)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(path + ".tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("temporary file is still there: %v", err)
	}
}

func TestWriteFileKeepsOldOnError(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := durable.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A directory in the way of the temporary file: nothing can be written there.
	if err := os.MkdirAll(filepath.Join(path+".tmp", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(path, []byte("new"), 0o600); err == nil {
		t.Fatal("write succeeded")
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Fatalf("old content is gone: %q", got)
	}
}

func TestSyncDirOfMissing(t *testing.T) {
	if err := durable.SyncDir(filepath.Join(t.TempDir(), "no")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
}

func TestLockWithinOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := durable.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = durable.Lock(path)
	if !errors.Is(err, durable.ErrLocked) {
		t.Fatalf("second lock: %v", err)
	}
	if want := fmt.Sprintf("(process %d)", os.Getpid()); !strings.Contains(err.Error(), want) {
		t.Fatalf("%q does not name the holder %s", err, want)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, err = durable.Lock(path)
	if err != nil {
		t.Fatalf("after close: %v", err)
	}
	l.Close()
}

func TestLockRepeatsNoForeignText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := durable.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.WriteFile(path, []byte("\x1b[31mhello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := durable.Lock(path); err == nil || strings.Contains(err.Error(), "hello") {
		t.Fatalf("got %v", err)
	}
}

// TestLockEndsWithItsProcess holds the lock in another process and kills that.
func TestLockEndsWithItsProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	cmd := exec.Command(os.Args[0], "-test.run=^TestHoldLock$")
	cmd.Env = append(os.Environ(), "DURABLE_TEST_LOCK="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	_, err = durable.Lock(path)
	if !errors.Is(err, durable.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(cmd.Process.Pid)) {
		t.Fatalf("while the other lives: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	l, err := durable.Lock(path)
	if err != nil {
		t.Fatalf("after the other was killed: %v", err)
	}
	l.Close()
}

// TestHoldLock is the other process of TestLockEndsWithItsProcess; run by
// itself it has nothing to hold and passes.
func TestHoldLock(t *testing.T) {
	path := os.Getenv("DURABLE_TEST_LOCK")
	if path == "" {
		return
	}
	l, err := durable.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("held")
	time.Sleep(time.Minute) // the parent kills this process long before
	l.Close()
}
