package audit_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/audit"
)

// TestFaults: a write or sync fails. Nothing is acknowledged any more, and
// after reopening all that was acknowledged is there and the log goes on.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		write      bool
		after      int // records already written to the file's bytes, torn
	}{
		{"disk full", "entries-", true, 10},
		{"sync of records", "entries-", false, 0},
		{"hashes full", "hashes", true, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			broken := false
			hit := func(f *os.File) bool { return broken && strings.HasPrefix(filepath.Base(f.Name()), tt.file) }
			l, dir := create(t, audit.Tuning{
				MaxSegment: 1500, CheckpointEvery: 700,
				WriteAt: func(f *os.File, b []byte, off int64) error {
					if tt.write && hit(f) {
						return errors.Join(audit.StandardWriteAt(f, b[:tt.after], off), syscall.ENOSPC)
					}
					return audit.StandardWriteAt(f, b, off)
				},
				Sync: func(f *os.File) error {
					if !tt.write && hit(f) {
						return syscall.EIO
					}
					return audit.StandardSync(f)
				},
			})
			appendN(t, l, 40)
			broken = true
			acknowledged := 40
			if _, err := l.Append(record(40)); err == nil {
				acknowledged++ // durable, though its hash is not in the file
			} else if !errors.Is(err, audit.ErrBroken) {
				t.Fatal(err)
			}
			if (acknowledged == 41) != (tt.file == "hashes") {
				t.Fatalf("%d acknowledged", acknowledged)
			}
			broken = false
			for range 3 {
				if _, err := l.Append([]byte("{}")); !errors.Is(err, audit.ErrBroken) {
					t.Fatalf("append to a broken log: %v", err)
				}
			}
			if !errors.Is(l.Err(), audit.ErrBroken) || l.Size() != int64(acknowledged) {
				t.Fatalf("err %v, size %d", l.Err(), l.Size())
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			n := acknowledged
			if tt.name == "sync of records" {
				n++ // it was written whole, and recovery makes it durable
			}
			recovered(t, dir, n)
		})
	}
}

// TestFaultOfCheckpoint: the checkpoint cannot be written. The records it was
// to cover are acknowledged; the log breaks for those after.
func TestFaultOfCheckpoint(t *testing.T) {
	l, dir := create(t, audit.Tuning{CheckpointEvery: 300})
	blocker := filepath.Join(dir, "checkpoint.tmp")
	if err := os.MkdirAll(filepath.Join(blocker, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; l.Err() == nil; n++ {
		if _, err := l.Append(record(n)); err != nil {
			t.Fatalf("record %d: %v", n, err)
		}
	}
	if _, err := l.Append(record(n)); !errors.Is(err, audit.ErrBroken) {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(blocker); err != nil {
		t.Fatal(err)
	}
	recovered(t, dir, n)
}

func TestFollow(t *testing.T) {
	l, dir := create(t, small)
	appendN(t, l, 5)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	next := int64(3)
	for e, err := range audit.Follow(ctx, dir, 3) {
		if err != nil || e.Index != next || !bytes.Equal(e.Record, record(int(next))) {
			t.Fatalf("want %d, got %d, %q, %v", next, e.Index, e.Record, err)
		}
		next++
		if next%5 == 0 && next < 60 { // all is read: more comes, in new segments
			appendN(t, l, 5)
		}
		if next == 60 {
			break
		}
	}
	if next != 60 {
		t.Fatalf("ended at %d", next)
	}
	cancel()
	for e, err := range audit.Follow(ctx, dir, 0) {
		t.Fatalf("after the end of its context: %v, %v", e, err)
	}
}
