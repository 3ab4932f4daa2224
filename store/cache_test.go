package store_test

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/store/bolt"
)

// TestCacheKeepsWhatIsAskedFor: a full cache lets go of records that nobody asks
// for, not of one that is asked for all the time, and stays at its limit.
func TestCacheKeepsWhatIsAskedFor(t *testing.T) {
	db, err := bolt.Create(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	const limit, records = 100, 2000
	c := store.NewCache(db, "r/", limit)
	t.Cleanup(c.Close)
	loads := make(map[string]int)
	read := func(path string) {
		t.Helper()
		got, err := store.Cached(t.Context(), c, path, func(store.Tx) (string, error) {
			loads[path]++
			return path, nil
		})
		if err != nil || got != path {
			t.Fatalf("%s: %q, %v", path, got, err)
		}
	}
	for i := range records {
		read("r/" + strconv.Itoa(i))
		read("r/popular")
	}
	if n := loads["r/popular"]; n != 1 {
		t.Errorf("a record that was asked for between all others was loaded %d times", n)
	}
	before := len(loads)
	kept := 0
	for i := range records {
		n := loads["r/"+strconv.Itoa(i)]
		if read("r/" + strconv.Itoa(i)); loads["r/"+strconv.Itoa(i)] == n {
			kept++
		}
	}
	if before != records+1 || kept > limit {
		t.Errorf("%d records loaded, %d of them kept; at most %d may be", before, kept, limit)
	}
}

// TestCacheForgets: what a commit changed is loaded anew.
func TestCacheForgets(t *testing.T) {
	db, err := bolt.Create(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	c := store.NewCache(db, "r/", 10)
	t.Cleanup(c.Close)
	for _, want := range []string{"one", "two"} {
		if err := db.Update(context.Background(), func(tx store.Tx) error { return tx.Put("r/a", []byte(want)) }); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, err := store.Cached(t.Context(), c, "r/a", func(tx store.Tx) (string, error) {
				b, err := tx.Get("r/a")
				return string(b), err
			})
			if err != nil || got != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		}
	}
}
