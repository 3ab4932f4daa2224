package audit_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/keyd-hsm/keyd/audit"
)

// files is a log directory in memory.
type files map[string][]byte

// snapshot copies a log in the order of section 8 of the spec, so that it may
// be written meanwhile.
func snapshot(t testing.TB, dir string) files {
	t.Helper()
	fs := files{}
	for _, pattern := range []string{"checkpoint", "hashes", "entries-*"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if fs[filepath.Base(name)], err = os.ReadFile(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	return fs
}

// write puts the files into a directory, and nothing else.
func (fs files) write(t testing.TB, dir string) string {
	t.Helper()
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	for name, b := range fs {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (fs files) clone() files {
	c := files{}
	for name, b := range fs {
		c[name] = slices.Clone(b)
	}
	return c
}

// last is the name of the last segment.
func (fs files) last() (name string) {
	for n := range fs {
		if strings.HasPrefix(n, "entries-") {
			name = max(name, n)
		}
	}
	return name
}

// crashed is a log of 10 records, 4 of them after the checkpoint.
func crashed(t *testing.T) files {
	tn := audit.Tuning{CheckpointEvery: 1 << 30, Ahead: 100}
	l, dir := create(t, tn)
	appendN(t, l, 6)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, _, err := tn.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	appendN(t, l, 4)
	return snapshot(t, dir)
}

// recovered opens a log, checks that it holds the first n records, and that one
// can go on and close it.
func recovered(t *testing.T, dir string, n int) audit.Recovery {
	t.Helper()
	l, rec, err := audit.Open(dir)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	wantRecords(t, dir, 0, n)
	appendN(t, l, 3)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	wantLog(t, dir, n+3)
	return rec
}

// TestPowerCut: hashes beyond the checkpoint are lost and the segment ends at
// any byte. Whole lines are kept, the rest is cut; below the checkpoint a
// shorter file is not what a crash leaves, and refused.
func TestPowerCut(t *testing.T) {
	fs := crashed(t)
	dir := filepath.Join(t.TempDir(), "copy")
	segment := fs.last()
	whole := fs[segment]
	covered := bytes.Index(whole, record(6)) // where the checkpoint ends
	const covers = 6
	hashes := fs["hashes"][:10*32] // 6 records store 10 hashes
	zeros := append(slices.Clone(hashes), make([]byte, 7*32)...)
	for n := 0; n <= len(whole); n++ {
		cut := files{"checkpoint": fs["checkpoint"], "hashes": hashes, segment: whole[:n]}
		if n%2 == 1 {
			cut["hashes"] = zeros // the length got to the disk, the content did not
		}
		cut.write(t, dir)
		if n < covered {
			var fault *audit.Fault
			if _, _, err := audit.Open(dir); !errors.As(err, &fault) || fault.File != segment {
				t.Fatalf("cut at %d, below the checkpoint: %v", n, err)
			}
			if _, err := audit.Verify(dir); !errors.As(err, &fault) || fault.File != segment || fault.Index != int64(bytes.Count(whole[:n], []byte("\n"))) {
				t.Fatalf("verify, cut at %d: %v", n, err)
			}
			continue
		}
		lines := bytes.Count(whole[:n], []byte("\n"))
		torn := int64(len(bytes.TrimRight(whole[bytes.LastIndexByte(whole[:n], '\n')+1:n], "\x00")))
		report, err := audit.Verify(dir)
		if err != nil || report.Torn != torn || report.Unhashed != int64(lines-covers) {
			t.Fatalf("verify before recovery, cut at %d: %+v, %v", n, report, err)
		}
		rec := recovered(t, dir, lines)
		if rec.Kept != int64(lines-covers) || rec.Cut != torn || (torn > 0) != (rec.File == segment) {
			t.Fatalf("cut at %d: %+v, want %d kept and %d cut", n, rec, lines-covers, torn)
		}
	}
}

// TestPowerCutLeavesHoles: blocks of an unsynced write may get to the disk in
// any order, so whole lines can follow a hole of zeros.
func TestPowerCutLeavesHoles(t *testing.T) {
	fs := crashed(t)
	segment := fs.last()
	at := bytes.Index(fs[segment], record(8))
	torn := slices.Clone(fs[segment])
	clear(torn[at+3 : at+20])
	dir := files{"checkpoint": fs["checkpoint"], "hashes": fs["hashes"][:10*32], segment: torn}.write(t, t.TempDir())
	if rec := recovered(t, dir, 8); rec.Kept != 2 || rec.Cut != int64(len(bytes.TrimRight(torn, "\x00"))-at) {
		t.Fatalf("%+v", rec)
	}
}

// TestCrashAtNewSegment: the next segment was begun and nothing written to it.
func TestCrashAtNewSegment(t *testing.T) {
	fs := crashed(t)
	fs[fs.last()] = bytes.TrimRight(fs[fs.last()], "\x00") // the writer has cut it before
	fs["entries-00000000000000000010.jsonl"] = nil
	dir := fs.write(t, t.TempDir())
	for i, n := range []int{10, 13} { // the second after a checkpoint in the new segment
		if report, err := audit.Verify(dir); err != nil || report.Segments != 2 {
			t.Fatalf("%+v, %v", report, err)
		}
		if rec := recovered(t, dir, n); rec.Cut != 0 || rec.Kept != int64(4-4*i) {
			t.Fatalf("%+v", rec)
		}
	}
	// A checkpoint at the very beginning of the segment.
	dir = fs.write(t, t.TempDir())
	for range 3 {
		l, _, err := audit.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		wantLog(t, dir, 10)
	}
}

// TestMissingEstablishedRecordRefused: after kill -9 the hashes of all
// acknowledged records are there, so a missing record is noticed even beyond
// the checkpoint.
func TestMissingEstablishedRecordRefused(t *testing.T) {
	fs := crashed(t)
	segment := fs.last()
	whole := bytes.TrimRight(fs[segment], "\x00")
	for n := bytes.Index(whole, record(6)); n < len(whole); n++ {
		cut := fs.clone()
		cut[segment] = whole[:n]
		dir := cut.write(t, filepath.Join(t.TempDir(), "copy"))
		want := int64(bytes.Count(whole[:n], []byte("\n")))
		var fault *audit.Fault
		if _, _, err := audit.Open(dir); !errors.As(err, &fault) || fault.Index != want || fault.File != segment {
			t.Fatalf("open, cut at %d: %v", n, err)
		}
		if _, err := audit.Verify(dir); !errors.As(err, &fault) || fault.Index != want || fault.File != segment {
			t.Fatalf("verify, cut at %d: %v", n, err)
		}
	}
}

// TestSnapshotsOfLiveLog copies the log at arbitrary moments while it is
// written. Each copy verifies, opens, and holds all that was acknowledged. The
// writer has some records to write for each copy, so that the log grows by a
// bounded measure whatever the disk's speed.
func TestSnapshotsOfLiveLog(t *testing.T) {
	l, dir := create(t, audit.Tuning{MaxSegment: 3000, CheckpointEvery: 1000})
	work, done := make(chan struct{}, 60*50), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			if _, more := <-work; !more {
				return
			}
			if _, err := l.Append(record(i)); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	copied := filepath.Join(t.TempDir(), "copy")
	for range 60 {
		for range 50 {
			work <- struct{}{}
		}
		acknowledged := l.Size()
		if _, err := audit.Verify(dir); err != nil {
			t.Errorf("beside the writer: %v", err)
		}
		snapshot(t, dir).write(t, copied)
		report, err := audit.Verify(copied)
		if err != nil || report.Tree.N < acknowledged {
			t.Errorf("copy: %+v, %v; acknowledged %d", report, err, acknowledged)
			break
		}
		recovered(t, copied, int(report.Tree.N))
	}
	close(work)
	<-done
}

// TestKill runs a writer in another process and kills it, again and again.
func TestKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	acknowledged := int64(-1)
	for round := range 10 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestWriteUntilKilled$")
		cmd.Env = append(os.Environ(), "AUDIT_TEST_DIR="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewScanner(out)
		for i := 0; r.Scan(); i++ {
			n, err := strconv.ParseInt(r.Text(), 10, 64)
			if err != nil {
				t.Fatalf("writer said %q", r.Text())
			}
			acknowledged = max(acknowledged, n)
			if i == 20+37*round {
				if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd.Wait()
		report, err := audit.Verify(dir)
		if err != nil || report.Tree.N <= acknowledged {
			t.Fatalf("round %d: %+v, %v; record %d was acknowledged", round, report, err, acknowledged)
		}
	}
	wantRecords(t, dir, 0, int(recoveredSize(t, dir)))
}

func recoveredSize(t *testing.T, dir string) int64 {
	l, _, err := audit.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Size()
}

// TestWriteUntilKilled is the other process of TestKill; run by itself it has
// nowhere to write and passes.
func TestWriteUntilKilled(t *testing.T) {
	dir := os.Getenv("AUDIT_TEST_DIR")
	if dir == "" {
		return
	}
	tn := audit.Tuning{MaxSegment: 5000, CheckpointEvery: 2000}
	l, _, err := tn.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		l, err = tn.Create(dir, origin)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	tickets := make(chan *audit.Ticket, 16) // several in a batch
	go func() {
		for i := int(l.Size()); ; i++ {
			ticket, err := l.Add(record(i))
			if err != nil {
				panic(err)
			}
			tickets <- ticket
		}
	}()
	for ticket := range tickets {
		if err := ticket.Wait(); err != nil {
			panic(err)
		}
		fmt.Println(ticket.Index())
	}
}
