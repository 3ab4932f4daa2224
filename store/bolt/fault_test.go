package bolt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/keyd-hsm/keyd/store"
)

// swapFile puts another file behind the descriptor that bbolt writes to and
// returns the way back. The map that it reads stays on the real file, and so
// does the lock. Linux answers for /dev/null: writes succeed and syncs fail
// with EINVAL; for /dev/full: writes fail with ENOSPC.
func swapFile(t *testing.T, d *DB, device string) (restore func()) {
	t.Helper()
	fd := int(d.file.Fd())
	saved, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Dup3(int(other.Fd()), fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(unix.Dup3(saved, fd, unix.O_CLOEXEC), unix.Close(saved)); err != nil {
			t.Fatal(err)
		}
	}
}

func get(d *DB, key string) (value string, err error) {
	err = d.View(context.Background(), func(tx store.Tx) error {
		v, err := tx.Get(key)
		value = string(v)
		return err
	})
	return value, err
}

func put(d *DB, key, value string) error {
	return d.Update(context.Background(), func(tx store.Tx) error { return tx.Put(key, []byte(value)) })
}

// TestFailedCommitLeavesNoTrace: the disk is full, or the sync of the new pages
// fails. The change is not done, nobody is told, and later commits work.
func TestFailedCommitLeavesNoTrace(t *testing.T) {
	for _, tt := range []struct {
		device string
		want   error
	}{{"/dev/full", unix.ENOSPC}, {"/dev/null", unix.EINVAL}} {
		t.Run(tt.device, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			d, err := Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := put(d, "a", "1"); err != nil {
				t.Fatal(err)
			}
			told := false
			defer d.Watch("", func([]string) { told = true })()
			restore := swapFile(t, d, tt.device)
			err = put(d, "a", "2")
			restore()
			if !errors.Is(err, tt.want) || errors.Is(err, ErrBroken) || told {
				t.Fatalf("update: %v; watch told: %v", err, told)
			}
			if v, err := get(d, "a"); v != "1" || err != nil {
				t.Fatalf("after the failed update: %q, %v", v, err)
			}
			if err := put(d, "b", "3"); err != nil {
				t.Fatalf("next update: %v", err)
			}
			if err := d.Check(context.Background()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestUnsureCommitBreaks lets the reference to the new state be written and its
// sync fail: the change can be seen and may be lost, so the DB must stop.
func TestUnsureCommitBreaks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	d, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(d, "a", "1"); err != nil {
		t.Fatal(err)
	}
	told := false
	d.Watch("", func([]string) { told = true })

	// What commit sees when bbolt's second sync has failed: an error, and the
	// new state current.
	btx, err := d.bolt.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	id := btx.ID()
	if err := btx.Bucket(stateBucket).Put([]byte("a"), []byte("2")); err != nil {
		t.Fatal(err)
	}
	if err := btx.Commit(); err != nil {
		t.Fatal(err)
	}
	err = d.commitFailed(id, unix.EIO)
	if !errors.Is(err, ErrBroken) || !errors.Is(err, unix.EIO) {
		t.Fatalf("got %v", err)
	}
	if _, err := get(d, "a"); !errors.Is(err, ErrBroken) {
		t.Errorf("view: %v", err)
	}
	if err := put(d, "b", "1"); !errors.Is(err, ErrBroken) || told {
		t.Errorf("update: %v; watch told: %v", err, told)
	}
	if err := d.Scrub(context.Background()); !errors.Is(err, ErrBroken) {
		t.Errorf("scrub: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d, err = Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if v, err := get(d, "a"); v == "" || err != nil {
		t.Errorf("after reopening: %q, %v", v, err)
	}
}

func TestScrubReportsFailedSync(t *testing.T) {
	d, err := Create(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := put(d, "a", strings.Repeat("v", 10_000)); err != nil {
		t.Fatal(err)
	}
	restore := swapFile(t, d, "/dev/null")
	err = d.Scrub(context.Background())
	restore()
	if !errors.Is(err, unix.EINVAL) {
		t.Fatalf("scrub: %v", err)
	}
	if err := d.Scrub(context.Background()); err != nil {
		t.Fatal(err)
	}
}
