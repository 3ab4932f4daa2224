package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	bbolt "go.etcd.io/bbolt"
)

// Scrub implements store.DB: it fills every page of the file that holds nothing
// of the committed state with zeros, and syncs. It waits for Views that began
// before it, as long as ctx allows; new Views go on, Updates wait. An error or a
// crash at any point costs nothing but another Scrub.
//
// Why that is safe: under the writer's lock the committed state stands still,
// and bbolt never reads a page outside it. Only a View of an older state does,
// and those have ended.
//
// A medium that writes elsewhere than it is told (flash with wear levelling,
// copy-on-write file systems, snapshots) may keep old copies below the file.
func (d *DB) Scrub(ctx context.Context) error {
	release, err := d.lockWriter(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := d.readers.waitForOld(ctx); err != nil {
		return err
	}
	btx, err := d.bolt.Begin(true)
	if err != nil {
		return mapClosed(err)
	}
	// The transaction writes nothing; it only keeps the page lists still.
	defer btx.Rollback()
	if err := zeroFree(ctx, btx, d.file); err != nil {
		return fmt.Errorf("scrub: %w", err)
	}
	if err := d.file.Sync(); err != nil {
		return fmt.Errorf("scrub: %w", err)
	}
	return nil
}

// zeroFree zeroes the free pages below bbolt's high water mark and all of the
// file above it, where a commit that a crash cut short may have written.
func zeroFree(ctx context.Context, btx *bbolt.Tx, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := btx.DB().Info().PageSize
	page := make([]byte, size)
	for id := 0; int64(id)*int64(size) < info.Size(); id++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		free, err := isFree(btx, id)
		if err != nil {
			return err
		}
		if free {
			if err := zeroPage(f, page, int64(id)*int64(size)); err != nil {
				return err
			}
		}
	}
	return nil
}

// isFree reports whether the committed state does without a page.
func isFree(btx *bbolt.Tx, id int) (bool, error) {
	info, err := btx.Page(id)
	if err != nil {
		return false, err
	}
	return info == nil || info.Type == "free", nil
}

// zeroPage overwrites the page at off unless it is zero already, so that Scrub
// writes no more than was freed since the last. page is scratch space.
func zeroPage(f *os.File, page []byte, off int64) error {
	n, err := f.ReadAt(page, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	page = page[:n]
	clean := true
	for _, b := range page {
		clean = clean && b == 0
	}
	if clean {
		return nil
	}
	clear(page)
	_, err = f.WriteAt(page, off)
	return err
}

// readers counts the open Views by age, so that Scrub can wait for those that
// began before it without holding up those that begin later.
type readers struct {
	mu   sync.Mutex
	age  int         // guarded by mu, as all below
	open map[int]int // age → Views open; no zero counts
	left chan struct{}
}

// reader is one open View.
type reader struct {
	readers *readers
	age     int
}

func (r *readers) enter() reader {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open, r.left = make(map[int]int), make(chan struct{})
	}
	r.open[r.age]++
	return reader{r, r.age}
}

func (v reader) leave() {
	r := v.readers
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[v.age]--; r.open[v.age] == 0 {
		delete(r.open, v.age)
		close(r.left)
		r.left = make(chan struct{})
	}
}

// waitForOld returns when every View that was open at the call has ended.
func (r *readers) waitForOld(ctx context.Context) error {
	r.mu.Lock()
	r.age++
	limit := r.age
	for r.olderThan(limit) {
		left := r.left
		r.mu.Unlock()
		select {
		case <-left:
		case <-ctx.Done():
			return ctx.Err()
		}
		r.mu.Lock()
	}
	r.mu.Unlock()
	return nil
}

func (r *readers) olderThan(limit int) bool {
	for age := range r.open {
		if age < limit {
			return true
		}
	}
	return false
}
