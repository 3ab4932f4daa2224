package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/internal/durable"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const origin = "keyd.test/audit/111122223333"

// small makes several segments and checkpoints out of few records.
var small = audit.Tuning{MaxSegment: 400, CheckpointEvery: 150}

func record(i int) []byte {
	return fmt.Appendf(nil, `{"eventName":"Test","eventID":"id-%d","n":%d}`, i, i*i)
}

func create(t testing.TB, tn audit.Tuning) (*audit.Log, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	l, err := tn.Create(dir, origin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, dir
}

func appendN(t testing.TB, l *audit.Log, n int) {
	t.Helper()
	start := int(l.Size())
	for i := start; i < start+n; i++ {
		index, err := l.Append(record(i))
		if err != nil || index != int64(i) {
			t.Fatalf("append %d: index %d, %v", i, index, err)
		}
	}
}

// wantLog verifies the log and compares its records.
func wantLog(t testing.TB, dir string, n int) audit.Report {
	t.Helper()
	report, err := audit.Verify(dir)
	if err != nil || report.Tree.N != int64(n) {
		t.Fatalf("verify: %+v, %v; want %d records", report, err, n)
	}
	wantRecords(t, dir, 0, n)
	return report
}

func wantRecords(t testing.TB, dir string, from, n int) {
	t.Helper()
	i := from
	for e, err := range audit.Read(dir, int64(from)) {
		if err != nil || e.Index != int64(i) || !bytes.Equal(e.Record, record(i)) {
			t.Fatalf("record %d: got %d, %q, %v", i, e.Index, e.Record, err)
		}
		i++
	}
	if i != n {
		t.Fatalf("read records up to %d, want %d", i, n)
	}
}

func TestAppendReopenRead(t *testing.T) {
	l, dir := create(t, small)
	for round := range 5 {
		n := (round + 1) * 13
		appendN(t, l, 13)
		if l.Size() != int64(n) || l.Err() != nil || l.Origin() != origin {
			t.Fatalf("size %d, %v", l.Size(), l.Err())
		}
		wantLog(t, dir, n) // beside the writer
		root := l.Root()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		report := wantLog(t, dir, n)
		if report.Tree != root || report.Checkpoint != root || report.Unhashed != 0 || report.Torn != 0 {
			t.Fatalf("after close: %+v, root was %v", report, root)
		}
		again, rec, err := small.Open(dir)
		if err != nil || rec != (audit.Recovery{}) || again.Root() != root {
			t.Fatalf("open: %+v, %v", rec, err)
		}
		l = again
	}
	defer l.Close()
	if report := wantLog(t, dir, 65); report.Segments < 5 {
		t.Fatalf("only %d segments: this test proves little", report.Segments)
	}
	for from := range 65 {
		wantRecords(t, dir, from, 65)
	}
	if n, err := audit.Count(dir); n != 65 || err != nil {
		t.Fatalf("count %d, %v", n, err)
	}
	for range audit.Read(dir, 65) {
		t.Fatal("a record behind the end")
	}
}

// TestRootIsTlogs compares with tlog used the plain way, all hashes in memory.
func TestRootIsTlogs(t *testing.T) {
	l, _ := create(t, small)
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (out []tlog.Hash, err error) {
		for _, i := range indexes {
			out = append(out, hashes[i])
		}
		return out, nil
	})
	for i := range 70 {
		want, err := tlog.TreeHash(int64(i), reader)
		if err != nil || l.Root() != (tlog.Tree{N: int64(i), Hash: want}) {
			t.Fatalf("root of %d is %v, want %v, %v", i, l.Root(), want, err)
		}
		stored, err := tlog.StoredHashes(int64(i), record(i), reader)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, stored...)
		appendN(t, l, 1)
	}
}

func TestCreateAndOpenRefuse(t *testing.T) {
	l, dir := create(t, small)
	appendN(t, l, 3)
	if _, err := audit.Create(dir, origin); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("create over an open log: %v", err)
	}
	if _, _, err := audit.Open(dir); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("second open: %v", err)
	}
	l.Close()
	if _, err := audit.Create(dir, origin); !errors.Is(err, audit.ErrExists) {
		t.Errorf("create over a log: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "checkpoint")); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Create(dir, origin); !errors.Is(err, audit.ErrExists) {
		t.Errorf("create over a log without checkpoint: %v", err)
	}
	if _, _, err := audit.Open(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("open without checkpoint: %v", err)
	}
	empty := t.TempDir()
	if _, _, err := audit.Open(empty); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("open of nothing: %v", err)
	}
	if left, _ := os.ReadDir(empty); len(left) != 0 {
		t.Errorf("open made %v", left)
	}
	for _, bad := range []string{"", "a\nb", " a", "\x1b[1m", strings.Repeat("a", 256), "\xff"} {
		if _, err := audit.Create(empty, bad); err == nil {
			t.Errorf("origin %q was taken", bad)
		}
	}
	// A crash before the checkpoint was made leaves empty files.
	for _, name := range []string{"entries-00000000000000000000.jsonl", "hashes"} {
		if err := os.WriteFile(filepath.Join(empty, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := audit.Create(empty, origin)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestRecordLimits(t *testing.T) {
	l, dir := create(t, small)
	for name, bad := range map[string][]byte{
		"empty": nil, "too long": make([]byte, audit.MaxRecord+1), "two lines": []byte("a\nb"), "tab": []byte("a\tb"), "nul": {0},
	} {
		if _, err := l.Append(bad); !errors.Is(err, audit.ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := bytes.Repeat([]byte("x"), audit.MaxRecord)
	for range 2 {
		if _, err := l.Append(long); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	if report, err := audit.Verify(dir); err != nil || report.Tree.N != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	again, _, err := audit.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestClosed(t *testing.T) {
	l, dir := create(t, small)
	ticket, err := l.Add(record(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ticket.Wait(); err != nil {
		t.Errorf("what was added before close: %v", err)
	}
	if _, err := l.Append(record(1)); !errors.Is(err, audit.ErrClosed) || !errors.Is(l.Err(), audit.ErrClosed) {
		t.Errorf("append after close: %v, %v", err, l.Err())
	}
	if err := l.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	wantLog(t, dir, 1)
}

// TestParallel: 64 goroutines add under one lock, as the server does, and wait
// outside it. The order of the tickets is the order in the log.
func TestParallel(t *testing.T) {
	const goroutines, each = 64, 25
	syncs := 0
	l, dir := create(t, audit.Tuning{MaxSegment: 20_000, CheckpointEvery: 7_000, Sync: func(f *os.File) error {
		if strings.Contains(f.Name(), "entries-") {
			syncs++ // only ever one leader: the race detector would see two
		}
		return audit.StandardSync(f)
	}})
	var mu sync.Mutex
	var wg sync.WaitGroup
	n := 0
	for range goroutines {
		wg.Go(func() {
			for range each {
				mu.Lock()
				ticket, err := l.Add(record(n))
				n++
				mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				if err := ticket.Wait(); err != nil || l.Size() <= ticket.Index() {
					t.Errorf("record %d: %v, but %d are durable", ticket.Index(), err, l.Size())
				}
			}
		})
	}
	wg.Wait()
	wantLog(t, dir, goroutines*each)
	t.Logf("%d records, %d syncs", goroutines*each, syncs)
	if syncs == goroutines*each {
		t.Error("no sync was shared")
	}
}

// TestBackpressure: what nobody waits for does not pile up without bound.
func TestBackpressure(t *testing.T) {
	l, _ := create(t, audit.Tuning{})
	long := bytes.Repeat([]byte("x"), audit.MaxRecord)
	for range 20 {
		if _, err := l.Add(long); err != nil {
			t.Fatal(err)
		}
	}
	if l.Size() < 10 {
		t.Errorf("%d of 20 long records were written", l.Size())
	}
}

func TestContainsSince(t *testing.T) {
	l, _ := create(t, small)
	appendN(t, l, 20)
	if _, err := l.Append([]byte(`{"eventID":"real","requestParameters":{"eventID":"forged"}}`)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		from int64
		id   string
		want bool
	}{{0, "id-0", true}, {1, "id-0", false}, {7, "id-19", true}, {0, "id", false}, {0, "real", true}, {0, "forged", false}, {21, "real", false}} {
		if got, err := l.ContainsSince(tt.from, tt.id); got != tt.want || err != nil {
			t.Errorf("ContainsSince(%d, %q) = %v, %v", tt.from, tt.id, got, err)
		}
	}
}
