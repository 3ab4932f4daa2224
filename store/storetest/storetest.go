// Package storetest is the suite that every implementation of store.DB passes.
//
// An implementation's test makes two calls: [Run] for the contract, sentence by
// sentence, and [RunModel] for long random histories compared with a map.
package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/keyd-hsm/keyd/store"
)

// Maker makes a fresh, empty place for state and returns the function that
// opens it. That is called once, and again after each Close: it must then find
// what was there. Both fail the test on error.
type Maker func(t testing.TB) (open func() store.DB)

// Run proves the contract.
func Run(t *testing.T, place Maker) {
	tests := []struct {
		name string
		test func(t *testing.T, open func() store.DB)
	}{
		{"Keys", testKeys},
		{"Values", testValues},
		{"Scan", testScan},
		{"ViewIsReadOnly", testViewIsReadOnly},
		{"EndedTransaction", testEndedTransaction},
		{"RollbackOnError", testRollbackOnError},
		{"RollbackOnPanic", testRollbackOnPanic},
		{"Snapshot", testSnapshot},
		{"WatchKeys", testWatchKeys},
		{"WatchOrder", testWatchOrder},
		{"Together", testTogether},
		{"Context", testContext},
		{"Concurrent", testConcurrent},
		{"Reopen", testReopen},
		{"Scrub", testScrub},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, place(t)) })
	}
}

// opened opens a place for one test.
func opened(t *testing.T, open func() store.DB) store.DB {
	t.Helper()
	db := open()
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// pair is a key with its value; an empty value means delete in [write].
type pair struct{ key, value string }

// write puts pairs in one Update.
func write(t failer, db store.DB, pairs ...pair) {
	t.Helper()
	err := db.Update(context.Background(), func(tx store.Tx) error {
		for _, p := range pairs {
			if err := apply(tx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("update: %v", err)
	}
}

func apply(tx store.Tx, p pair) error {
	if p.value == "" {
		return tx.Delete(p.key)
	}
	return tx.Put(p.key, []byte(p.value))
}

// failer is what testing.TB and rapid.T have in common, as far as is needed.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// scan reads pairs in one View.
func scan(t failer, db store.DB, prefix, after string) []pair {
	t.Helper()
	var got []pair
	err := db.View(context.Background(), func(tx store.Tx) error {
		got = collect(tx, prefix, after)
		return nil
	})
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	return got
}

func collect(tx store.Tx, prefix, after string) []pair {
	var got []pair
	for k, v := range tx.Scan(prefix, after) {
		got = append(got, pair{k, string(v)})
	}
	return got
}

// wantState fails unless the whole state is exactly pairs.
func wantState(t failer, db store.DB, want ...pair) {
	t.Helper()
	if got := scan(t, db, "", ""); !slices.Equal(got, want) {
		t.Fatalf("state is %q, want %q", got, want)
	}
}

var errTest = errors.New("error of the test")
