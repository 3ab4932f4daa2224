package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/keyd-hsm/keyd/store"
)

// testSnapshot holds a View open while an Update commits: the View waits for
// nothing and sees nothing of it.
func testSnapshot(t *testing.T, open func() store.DB) {
	db := opened(t, open)
	write(t, db, pair{"a", "1"}, pair{"b", "1"})
	err := db.View(context.Background(), func(tx store.Tx) error {
		done := make(chan struct{})
		go func() {
			defer close(done)
			write(t, db, pair{"a", "2"}, pair{"b", ""}, pair{"c", "2"})
			wantState(t, db, pair{"a", "2"}, pair{"c", "2"})
		}()
		<-done
		if got := collect(tx, "", ""); !slices.Equal(got, []pair{{"a", "1"}, {"b", "1"}}) {
			t.Errorf("the open view sees %q", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(context.Background(), func(tx store.Tx) error {
		if err := tx.Put("a", []byte("3")); err != nil {
			return err
		}
		done := make(chan struct{})
		go func() { // a View during an Update sees the state before it
			defer close(done)
			wantState(t, db, pair{"a", "2"}, pair{"c", "2"})
		}()
		<-done
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// testWatchOrder lets many writers count one key up. Watches must hear the
// commits in the order in which they happened, each before its Update returned.
func testWatchOrder(t *testing.T, open func() store.DB) {
	db := opened(t, open)
	const writers, each = 8, 10
	heard := map[string]int{}
	var order []int
	var mu sync.Mutex
	defer db.Watch("n/", func(keys []string) {
		mu.Lock()
		defer mu.Unlock()
		var together []int // Updates may share a commit
		for _, key := range keys {
			n, _ := strconv.Atoi(key[2:])
			together = append(together, n)
			heard[key]++
		}
		slices.Sort(together)
		order = append(order, together...)
	})()
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				key, err := countUp(db)
				mu.Lock()
				if err != nil || heard[key] != 1 {
					t.Errorf("update of %s returned %v; the watch had heard of it %d times", key, err, heard[key])
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(order) != writers*each || !slices.IsSorted(order) {
		t.Errorf("order of what the watch heard: %v", order)
	}
}

// testTogether lets many writers wait for each other, so that an implementation
// which commits several at once does: those that fail or panic leave no trace among
// those that succeed, also where they wrote over each other's keys.
func testTogether(t *testing.T, open func() store.DB) {
	db := opened(t, open)
	if err := db.Update(context.Background(), func(tx store.Tx) error { return tx.Put("kept", []byte("before")) }); err != nil {
		t.Fatal(err)
	}
	const writers = 60
	refused := errors.New("refused")
	spoil := func(tx store.Tx) error {
		return errors.Join(tx.Put("kept", []byte("spoilt")), tx.Put("new", nil), tx.Delete("kept"), tx.Put("shared", []byte("spoilt")))
	}
	write := func(i int) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = errors.Join(err, p.(error))
			}
		}()
		return db.Update(context.Background(), func(tx store.Tx) error {
			switch i % 3 {
			case 0:
				return errors.Join(spoil(tx), refused)
			case 1:
				if err := spoil(tx); err != nil {
					return err
				}
				panic(refused)
			}
			return errors.Join(tx.Put(fmt.Sprintf("w/%d", i), nil), tx.Put("shared", []byte("good")))
		})
	}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			if err := write(i); (i%3 == 2) != (err == nil) || err != nil && !errors.Is(err, refused) {
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	want := []pair{{"kept", "before"}, {"shared", "good"}}
	for i := 2; i < writers; i += 3 {
		want = append(want, pair{fmt.Sprintf("w/%d", i), ""})
	}
	slices.SortFunc(want, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	wantState(t, db, want...)
}

// countUp adds one to the key "count" and puts a key "n/<count>".
func countUp(db store.DB) (key string, err error) {
	err = db.Update(context.Background(), func(tx store.Tx) error {
		n := 0
		if v, err := tx.Get("count"); err == nil {
			n, _ = strconv.Atoi(string(v))
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		n++
		key = fmt.Sprintf("n/%d", n)
		return errors.Join(tx.Put("count", []byte(strconv.Itoa(n))), tx.Put(key, nil))
	})
	return key, err
}

func testContext(t *testing.T, open func() store.DB) {
	db := opened(t, open)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	fn := func(store.Tx) error {
		t.Error("fn was called though the context had ended")
		return nil
	}
	if err := db.View(ended, fn); !errors.Is(err, context.Canceled) {
		t.Errorf("view: %v", err)
	}
	if err := db.Update(ended, fn); !errors.Is(err, context.Canceled) {
		t.Errorf("update: %v", err)
	}
	if err := db.Scrub(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("scrub: %v", err)
	}
	// A writer that waits for another one stops waiting with its context.
	waiting, cancel := context.WithCancel(context.Background())
	err := db.Update(context.Background(), func(store.Tx) error {
		done := make(chan error)
		go func() { done <- db.Update(waiting, fn) }()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("waiting update: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// testConcurrent moves amounts between accounts while Views add them up: the
// sum is the same in every snapshot.
func testConcurrent(t *testing.T, open func() store.DB) {
	db := opened(t, open)
	const accounts, total = 4, 400
	for i := range accounts {
		write(t, db, pair{fmt.Sprintf("a/%d", i), strconv.Itoa(total / accounts)})
	}
	var writers, others sync.WaitGroup
	stop := make(chan struct{})
	for w := range 3 {
		writers.Go(func() {
			for i := range 20 {
				if err := move(db, (w+i)%accounts, (w+i+1)%accounts); err != nil {
					t.Errorf("move: %v", err)
				}
			}
		})
	}
	for range 3 {
		others.Go(func() {
			for {
				if sum := sumOf(t, db); sum != total {
					t.Errorf("a view sees the sum %d", sum)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	others.Go(func() {
		for range 5 {
			if err := db.Scrub(context.Background()); err != nil {
				t.Errorf("scrub: %v", err)
			}
		}
	})
	writers.Wait()
	close(stop)
	others.Wait()
}

func move(db store.DB, from, to int) error {
	return db.Update(context.Background(), func(tx store.Tx) error {
		return errors.Join(addTo(tx, from, -1), addTo(tx, to, +1))
	})
}

func addTo(tx store.Tx, account, n int) error {
	key := fmt.Sprintf("a/%d", account)
	v, err := tx.Get(key)
	if err != nil {
		return err
	}
	old, err := strconv.Atoi(string(v))
	if err != nil {
		return err
	}
	return tx.Put(key, []byte(strconv.Itoa(old+n)))
}

func sumOf(t testing.TB, db store.DB) int {
	sum := 0
	for _, p := range scan(t, db, "a/", "") {
		n, _ := strconv.Atoi(p.value)
		sum += n
	}
	return sum
}

func testScrub(t *testing.T, open func() store.DB) {
	db := open()
	for i := range 50 {
		write(t, db, pair{fmt.Sprintf("keep/%03d", i), "kept"}, pair{fmt.Sprintf("drop/%03d", i), "secret"})
	}
	for i := range 50 {
		write(t, db, pair{fmt.Sprintf("drop/%03d", i), ""})
	}
	want := scan(t, db, "", "")
	for range 2 {
		if err := db.Scrub(context.Background()); err != nil {
			t.Fatal(err)
		}
		wantState(t, db, want...)
	}
	write(t, db, pair{"z", "after"})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wantState(t, opened(t, open), append(want, pair{"z", "after"})...)
}
