package audit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/keyd-hsm/keyd/audit"
)

// BenchmarkAppend appends events of usual size and reports how many syncs each
// one cost. Set TMPDIR to a directory on the medium to measure.
func BenchmarkAppend(b *testing.B) {
	line, err := event().Encode()
	if err != nil {
		b.Fatal(err)
	}
	for _, goroutines := range []int{1, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			var syncs, left atomic.Int64
			l, err := audit.Tuning{Sync: func(f *os.File) error {
				if strings.HasPrefix(filepath.Base(f.Name()), "entries-") {
					syncs.Add(1)
				}
				return audit.StandardSync(f)
			}}.Create(filepath.Join(b.TempDir(), "log"), origin)
			if err != nil {
				b.Fatal(err)
			}
			left.Store(int64(b.N))
			b.SetBytes(int64(len(line)))
			b.ResetTimer()
			var wg sync.WaitGroup
			for range goroutines {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := l.Append(line); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(syncs.Load())/float64(b.N), "syncs/op")
			b.StopTimer()
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkVerify hashes a log anew.
func BenchmarkVerify(b *testing.B) {
	line, err := event().Encode()
	if err != nil {
		b.Fatal(err)
	}
	l, dir := create(b, audit.Tuning{})
	const records = 20_000
	for range records {
		if _, err := l.Add(line); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(records * len(line)))
	for b.Loop() {
		if _, err := audit.Verify(dir); err != nil {
			b.Fatal(err)
		}
	}
}
