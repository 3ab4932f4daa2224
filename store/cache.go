package store

import (
	"context"
	"sync"
	"sync/atomic"
)

// Cache keeps decoded records of a DB by their path. What a commit changed is
// out of it before the commit's Update returns, so a reader that starts after a
// change never sees what was there before. Records in it are shared: nobody
// changes one. When it is full, of a few records taken at random the one that was
// asked for least leaves. A Cache is safe for concurrent use; Close ends its watch.
type Cache struct {
	db    DB
	limit int
	stop  func()

	mu      sync.RWMutex
	records map[string]*cached
	changes uint64 // commits seen
}

// cached is a record, and how often it was asked for, as far as that matters.
type cached struct {
	record any
	asked  atomic.Uint32
}

const (
	// sampled is among how many records a victim is looked for.
	sampled = 5
	// maxAsked is where counting ends: it is how often a record is passed over at
	// most before it leaves, if nobody asks for it any more.
	maxAsked = 15
)

// ask counts. That two at once may count as one does no harm.
func (c *cached) ask() {
	if n := c.asked.Load(); n < maxAsked {
		c.asked.Store(n + 1)
	}
}

// NewCache makes a cache of at most limit records whose paths begin with prefix.
func NewCache(db DB, prefix string, limit int) *Cache {
	c := &Cache{db: db, limit: limit, records: make(map[string]*cached)}
	c.stop = db.Watch(prefix, c.forget)
	return c
}

// Close ends the watch; the cache must not be used any more.
func (c *Cache) Close() { c.stop() }

// Cached returns the record at path, from c or else by calling load in a View.
// An error is not kept. All records that load reads must change in the commits
// that change path.
func Cached[T any](ctx context.Context, c *Cache, path string, load func(Tx) (T, error)) (T, error) {
	c.mu.RLock()
	known := c.records[path]
	since := c.changes
	c.mu.RUnlock()
	if known != nil {
		if record, ok := known.record.(T); ok {
			known.ask()
			return record, nil
		}
	}
	var record T
	err := c.db.View(ctx, func(tx Tx) (err error) {
		record, err = load(tx)
		return err
	})
	if err != nil {
		return record, err
	}
	c.add(path, record, since)
	return record, nil
}

// add keeps what was read after since, unless something has changed meanwhile:
// then it may be stale already.
func (c *Cache) add(path string, record any, since uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes != since {
		return
	}
	if len(c.records) >= c.limit {
		c.evict()
	}
	c.records[path] = &cached{record: record}
}

// evict removes a record that is asked for seldom, and lets those that it passes
// over age. The caller holds mu.
func (c *Cache) evict() {
	victim, least, seen := "", uint32(maxAsked+1), 0
	for path, r := range c.records { // map order is random enough
		n := r.asked.Load()
		if n < least {
			victim, least = path, n
		}
		if n == 0 {
			break
		}
		r.asked.Store(n - 1)
		if seen++; seen == sampled {
			break
		}
	}
	delete(c.records, victim)
}

func (c *Cache) forget(paths []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	for _, p := range paths {
		delete(c.records, p)
	}
}
