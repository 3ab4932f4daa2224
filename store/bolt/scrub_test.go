package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bbolt "go.etcd.io/bbolt"

	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/store/bolt"
)

// inFile counts a needle in the raw bytes of the file.
func inFile(t *testing.T, path, needle string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte(needle))
}

func scrub(t *testing.T, db *bolt.DB) {
	t.Helper()
	if err := db.Scrub(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := db.Check(context.Background()); err != nil {
		t.Fatalf("check after scrub: %v", err)
	}
}

func remove(t *testing.T, db *bolt.DB, keys ...string) {
	t.Helper()
	err := db.Update(context.Background(), func(tx store.Tx) error {
		for _, k := range keys {
			if err := tx.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestScrubErasesDeletedValues(t *testing.T) {
	const small, large, old = "SMALL-SECRET-VALUE", "LARGE-SECRET-VALUE", "OLD-SECRET-VALUE"
	db, path := create(t)
	// Enough neighbours for branch pages, whose keys come from the data.
	for i := range 300 {
		put(t, db, fmt.Sprintf("kms/key/%04d/neighbour", i), strings.Repeat("n", 100))
	}
	var dropped []string
	for i := range 300 {
		key := fmt.Sprintf("kms/key/%04d/DELETED-KEY-NAME", i)
		dropped = append(dropped, key)
		put(t, db, key, small+strings.Repeat(".", 100))
	}
	put(t, db, "large", strings.Repeat(large, 5000)) // overflow pages
	put(t, db, "z/kept", "KEPT-VALUE")
	remove(t, db, append(dropped, "large")...)
	for i := range 10 { // each rewriting leaves a copy
		put(t, db, "rewritten", fmt.Sprint(old, i))
	}
	put(t, db, "rewritten", "current")

	needles := []string{small, large, old, "DELETED-KEY-NAME"}
	for _, n := range needles {
		if inFile(t, path, n) == 0 {
			t.Fatalf("%s is not in the file before the scrub: this test proves nothing", n)
		}
	}
	scrub(t, db)
	for _, n := range needles {
		if c := inFile(t, path, n); c != 0 {
			t.Errorf("%s is still %d times in the file", n, c)
		}
	}
	if inFile(t, path, "KEPT-VALUE") == 0 {
		t.Error("a live value is gone")
	}
	db.Close()
	again, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	err = again.View(context.Background(), func(tx store.Tx) error {
		n := 0
		for range tx.Scan("kms/key/", "") {
			n++
		}
		v, err := tx.Get("rewritten")
		if n != 300 || string(v) != "current" {
			t.Errorf("after the scrub: %d neighbours, rewritten is %q", n, v)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestScrubErasesUncommitted: a commit that a crash cut short has written pages
// that nothing refers to, in free space and beyond the last used page.
func TestScrubErasesUncommitted(t *testing.T) {
	const secret = "UNCOMMITTED-SECRET"
	db, path := create(t)
	for i := range 50 {
		put(t, db, fmt.Sprint("k", i), strings.Repeat("v", 2000))
	}
	db.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The state as a crash leaves it just before the commit: old meta pages,
	// new data pages.
	db, err = bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, "big", strings.Repeat(secret, 3000))
	db.Close()
	torn, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(torn, whole[:2*os.Getpagesize()])
	crashed := filepath.Join(t.TempDir(), "crashed.db")
	if err := os.WriteFile(crashed, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err = bolt.Open(crashed)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if inFile(t, crashed, secret) == 0 {
		t.Fatal("nothing to scrub: this test proves nothing")
	}
	scrub(t, db)
	if c := inFile(t, crashed, secret); c != 0 {
		t.Errorf("still %d times in the file", c)
	}
}

// TestScrubWaitsForOldViews: pages that an open View still reads stay whole,
// and Views that begin meanwhile are not held up.
func TestScrubWaitsForOldViews(t *testing.T) {
	db, path := create(t)
	put(t, db, "a", "OLD-SECRET")
	scrubbed := make(chan error, 1)
	err := db.View(context.Background(), func(tx store.Tx) error {
		remove(t, db, "a")
		ended, cancel := context.WithCancel(context.Background())
		go func() { scrubbed <- db.Scrub(ended) }()
		for range 100 { // before and during the scrub
			if err := db.View(context.Background(), func(store.Tx) error { return nil }); err != nil {
				t.Error(err)
			}
		}
		cancel()
		if err := <-scrubbed; !errors.Is(err, context.Canceled) {
			t.Errorf("scrub beside an old view: %v", err)
		}
		// Once more, and the View ends while the scrub is waiting.
		go func() { scrubbed <- db.Scrub(context.Background()) }()
		if v, err := tx.Get("a"); err != nil || string(v) != "OLD-SECRET" {
			t.Errorf("the old view reads %q, %v", v, err)
		}
		return nil
	})
	if err := errors.Join(err, <-scrubbed); err != nil {
		t.Fatal(err)
	}
	if inFile(t, path, "OLD-SECRET") != 0 {
		t.Error("secret is still there")
	}
}

// TestScrubInterrupted copies the file between any two steps of a scrub (each
// zeroes one page) and opens the copy, as after a crash there.
func TestScrubInterrupted(t *testing.T) {
	db, path := create(t)
	var dropped []string
	for i := range 120 {
		put(t, db, fmt.Sprintf("k%03d", i), strings.Repeat("v", 300))
		if i >= 60 {
			dropped = append(dropped, fmt.Sprintf("k%03d", i))
		}
	}
	remove(t, db, dropped...)
	db.Close()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err = bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	scrub(t, db)
	db.Close()
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page, steps := os.Getpagesize(), 0
	crashed := filepath.Join(t.TempDir(), "crashed.db")
	for off := 0; off < len(before); off += page {
		if bytes.Equal(before[off:off+page], after[off:off+page]) {
			continue
		}
		steps++
		copy(before[off:], after[off:off+page/2]) // torn in the page
		if err := os.WriteFile(crashed, before, 0o600); err != nil {
			t.Fatal(err)
		}
		wantKeys(t, crashed, 60)
		copy(before[off:], after[off:off+page])
	}
	if steps < 5 {
		t.Fatalf("only %d pages were scrubbed: this test proves nothing", steps)
	}
}

func wantKeys(t *testing.T, path string, want int) {
	t.Helper()
	raw, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	err = raw.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("check: %v", err)
		}
		if n := tx.Bucket([]byte("state")).Stats().KeyN; n != want {
			t.Errorf("%d keys, want %d", n, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
