package storetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyd-hsm/keyd/store"
)

// RunModel compares random histories with a map.
func RunModel(t *testing.T, place Maker) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{open: place(t), model: map[string]string{}}
		m.db = m.open()
		defer func() {
			if err := m.db.Close(); err != nil {
				rt.Errorf("close: %v", err)
			}
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"update": m.update,
			"scan":   m.scan,
			"scrub":  m.scrub,
			"reopen": m.reopen,
			"":       m.same,
		})
	})
}

type machine struct {
	open  func() store.DB
	db    store.DB
	model map[string]string
}

// Few letters, so that keys meet, share prefixes and are rewritten.
var someKey = rapid.StringMatching(`[ab/]{1,4}`)

// Short, and longer than a page.
var someValue = rapid.OneOf(
	rapid.StringMatching(`[a-z]{1,8}`),
	rapid.Custom(func(t *rapid.T) string { return strings.Repeat("v", rapid.IntRange(1, 12_000).Draw(t, "len")) }),
)

// update writes and deletes some keys and then commits or fails.
func (m *machine) update(t *rapid.T) {
	after := maps.Clone(m.model)
	fails := rapid.Bool().Draw(t, "fails")
	steps := rapid.IntRange(0, 8).Draw(t, "steps")
	err := m.db.Update(context.Background(), func(tx store.Tx) error {
		for range steps {
			if err := m.step(t, tx, after); err != nil {
				return err
			}
		}
		if fails {
			return errTest
		}
		return nil
	})
	if fails != errors.Is(err, errTest) || (!fails && err != nil) {
		t.Fatalf("update: %v", err)
	}
	if !fails {
		m.model = after
	}
}

func (m *machine) step(t *rapid.T, tx store.Tx, after map[string]string) error {
	key := someKey.Draw(t, "key")
	got, err := tx.Get(key)
	want, there := after[key]
	if there != (err == nil) || string(got) != want {
		t.Fatalf("get of %q within the update: %v", key, err)
	}
	if rapid.Bool().Draw(t, "delete") {
		delete(after, key)
		return tx.Delete(key)
	}
	after[key] = someValue.Draw(t, "value")
	return tx.Put(key, []byte(after[key]))
}

func (m *machine) scan(t *rapid.T) {
	prefix := rapid.StringMatching(`[ab/]{0,2}`).Draw(t, "prefix")
	after := rapid.StringMatching(`[ab/]{0,3}`).Draw(t, "after")
	if got, want := scan(t, m.db, prefix, after), m.want(prefix, after); !slices.Equal(got, want) {
		t.Fatalf("scan(%q, %q) = %q, want %q", prefix, after, got, want)
	}
}

func (m *machine) scrub(t *rapid.T) {
	if err := m.db.Scrub(context.Background()); err != nil {
		t.Fatalf("scrub: %v", err)
	}
}

func (m *machine) reopen(t *rapid.T) {
	if err := m.db.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	m.db = m.open()
}

// same compares everything, after each of the steps above.
func (m *machine) same(t *rapid.T) {
	if got, want := scan(t, m.db, "", ""), m.want("", ""); !slices.Equal(got, want) {
		t.Fatalf("state is %q, want %q", got, want)
	}
}

func (m *machine) want(prefix, after string) []pair {
	var want []pair
	for _, k := range slices.Sorted(maps.Keys(m.model)) {
		if strings.HasPrefix(k, prefix) && k > after {
			want = append(want, pair{k, m.model[k]})
		}
	}
	return want
}
