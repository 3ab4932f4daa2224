package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/store"
)

func testKeys(t *testing.T, open func() store.DB) {
	db := opened(t, open)
	longest := strings.Repeat("k", 1024)
	write(t, db, pair{longest, "v"}, pair{"a\x00b", "nul"}, pair{"ключ/ü", "utf-8"})
	wantState(t, db, pair{"a\x00b", "nul"}, pair{longest, "v"}, pair{"ключ/ü", "utf-8"})
	for _, key := range []string{"", longest + "k", strings.Repeat("k", 40_000)} {
		err := db.Update(context.Background(), func(tx store.Tx) error {
			if err := tx.Put(key, []byte("v")); err == nil {
				t.Errorf("put of a key of %d bytes succeeded", len(key))
			}
			if err := tx.Delete(key); err == nil {
				t.Errorf("delete of a key of %d bytes succeeded", len(key))
			}
			if _, err := tx.Get(key); err == nil {
				t.Errorf("get of a key of %d bytes succeeded", len(key))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func testValues(t *testing.T, open func() store.DB) {
	db := opened(t, open)
	large := strings.Repeat("0123456789abcdef", 20_000)
	buf := []byte("copied")
	err := db.Update(context.Background(), func(tx store.Tx) error {
		for key, v := range map[string][]byte{"nil": nil, "empty": {}, "large": []byte(large), "copied": buf} {
			if err := tx.Put(key, v); err != nil {
				return err
			}
		}
		copy(buf, "XXXXXX") // the caller may use its slice again
		if v, err := tx.Get("nil"); err != nil || len(v) != 0 {
			t.Errorf("nil value in the same transaction: %q, %v", v, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantState(t, db, pair{"copied", "copied"}, pair{"empty", ""}, pair{"large", large}, pair{"nil", ""})
	_ = db.View(context.Background(), func(tx store.Tx) error {
		if v, err := tx.Get("empty"); err != nil || len(v) != 0 {
			t.Errorf("empty value: %q, %v", v, err)
		}
		if _, err := tx.Get("other"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("missing key: %v", err)
		}
		return nil
	})
}

func testScan(t *testing.T, open func() store.DB) {
	db := opened(t, open)
	write(t, db, pair{"b/2", "2"}, pair{"a", "a"}, pair{"b/", "0"}, pair{"b/10", "10"}, pair{"b", "b"}, pair{"b/1", "1"}, pair{"b0", "b0"}, pair{"\xff\xff", "ff"})
	tests := []struct {
		prefix, after string
		want          string
	}{
		{"", "", "a b b/ b/1 b/10 b/2 b0 \xff\xff"},
		{"b/", "", "b/ b/1 b/10 b/2"},
		{"b/", "b/", "b/1 b/10 b/2"},
		{"b/", "b/1", "b/10 b/2"},
		{"b/", "b/11", "b/2"}, // after need not be there
		{"b/", "a", "b/ b/1 b/10 b/2"},
		{"b/", "b/2", ""},
		{"b/", "c", ""},
		{"", "b/2", "b0 \xff\xff"},
		{"\xff", "", "\xff\xff"},
		{"zz", "", ""},
	}
	for _, tt := range tests {
		if got := keys(scan(t, db, tt.prefix, tt.after)); got != tt.want {
			t.Errorf("scan(%q, %q) = %q, want %q", tt.prefix, tt.after, got, tt.want)
		}
	}
	err := db.Update(context.Background(), func(tx store.Tx) error {
		if err := errors.Join(tx.Put("b/15", []byte("15")), tx.Delete("b/1")); err != nil {
			return err
		}
		if got := keys(collect(tx, "b/", "")); got != "b/ b/10 b/15 b/2" {
			t.Errorf("scan does not see its own transaction: %q", got)
		}
		for range tx.Scan("", "") {
			break // a loop may end early
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func keys(pairs []pair) string {
	var ks []string
	for _, p := range pairs {
		ks = append(ks, p.key)
	}
	return strings.Join(ks, " ")
}

func testViewIsReadOnly(t *testing.T, open func() store.DB) {
	db := opened(t, open)
	write(t, db, pair{"a", "1"})
	err := db.View(context.Background(), func(tx store.Tx) error {
		if err := tx.Put("a", []byte("2")); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("put: %v", err)
		}
		if err := tx.Delete("a"); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("delete: %v", err)
		}
		return errTest
	})
	if !errors.Is(err, errTest) {
		t.Errorf("view returned %v", err)
	}
	wantState(t, db, pair{"a", "1"})
}

func testEndedTransaction(t *testing.T, open func() store.DB) {
	db := opened(t, open)
	var kept store.Tx
	err := db.Update(context.Background(), func(tx store.Tx) error {
		kept = tx
		return tx.Put("a", []byte("1"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Get("a"); err == nil {
		t.Error("get after the end succeeded")
	}
	if err := kept.Put("b", []byte("1")); err == nil {
		t.Error("put after the end succeeded")
	}
	if got := collect(kept, "", ""); got != nil {
		t.Errorf("scan after the end gave %q", got)
	}
	wantState(t, db, pair{"a", "1"})
}

func testRollbackOnError(t *testing.T, open func() store.DB) {
	db := opened(t, open)
	write(t, db, pair{"a", "1"})
	told := 0
	defer db.Watch("", func([]string) { told++ })()
	err := db.Update(context.Background(), func(tx store.Tx) error {
		return errors.Join(tx.Put("a", []byte("2")), tx.Put("b", []byte("2")), errTest)
	})
	if !errors.Is(err, errTest) {
		t.Errorf("update returned %v", err)
	}
	wantState(t, db, pair{"a", "1"})
	if told != 0 {
		t.Errorf("watch was told of a change that was rolled back")
	}
}

func testRollbackOnPanic(t *testing.T, open func() store.DB) {
	db := opened(t, open)
	write(t, db, pair{"a", "1"})
	panicOf := func(call func()) (p any) {
		defer func() { p = recover() }()
		call()
		return nil
	}
	p := panicOf(func() {
		_ = db.Update(context.Background(), func(tx store.Tx) error {
			_ = tx.Put("a", []byte("2"))
			panic("in update")
		})
	})
	if p != "in update" {
		t.Errorf("update panicked with %v", p)
	}
	p = panicOf(func() { _ = db.View(context.Background(), func(store.Tx) error { panic("in view") }) })
	if p != "in view" {
		t.Errorf("view panicked with %v", p)
	}
	write(t, db, pair{"b", "1"}) // nothing is left locked
	wantState(t, db, pair{"a", "1"}, pair{"b", "1"})
}

func testWatchKeys(t *testing.T, open func() store.DB) {
	db := opened(t, open)
	write(t, db, pair{"k/old", "1"})
	var all, some []string
	stopAll := db.Watch("", func(keys []string) { all = append(all, strings.Join(keys, " ")) })
	stopSome := db.Watch("k/", func(keys []string) { some = append(some, strings.Join(keys, " ")) })
	write(t, db, pair{"k/2", "x"}, pair{"j", "x"}, pair{"k/1", "x"}, pair{"k/2", "y"}, pair{"k/old", ""})
	// No synchronisation: Update itself must have told us before it returned.
	if want := []string{"j k/1 k/2 k/old"}; !slices.Equal(all, want) {
		t.Errorf("watch of all was told %q, want %q", all, want)
	}
	if want := []string{"k/1 k/2 k/old"}; !slices.Equal(some, want) {
		t.Errorf("watch of k/ was told %q, want %q", some, want)
	}
	stopSome()
	stopSome() // twice does no harm
	write(t, db, pair{"k/3", "x"})
	write(t, db, pair{"nothing there", ""}) // changes nothing, tells nobody
	stopAll()
	write(t, db, pair{"k/4", "x"})
	if len(all) != 2 || all[1] != "k/3" || len(some) != 1 {
		t.Errorf("after stop: %q and %q", all, some)
	}
}

func testReopen(t *testing.T, open func() store.DB) {
	db := open()
	write(t, db, pair{"a", "1"}, pair{"b", "1"})
	write(t, db, pair{"a", "2"}, pair{"b", ""}, pair{"c", strings.Repeat("large", 10_000)})
	want := scan(t, db, "", "")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.View(context.Background(), func(store.Tx) error { return nil }); err == nil {
		t.Error("view after close succeeded")
	}
	if err := db.Update(context.Background(), func(store.Tx) error { return nil }); err == nil {
		t.Error("update after close succeeded")
	}
	if err := db.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	wantState(t, opened(t, open), want...)
}
