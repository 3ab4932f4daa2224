package store

import (
	"context"
	"sync"
)

// Cache keeps decoded records of a DB by their path. What a commit changed is
// out of it before the commit's Update returns, so a reader that starts after a
// change never sees what was there before. Records in it are shared: nobody
// changes one. A Cache is safe for concurrent use; Close ends its watch.
type Cache struct {
	db    DB
	limit int
	stop  func()

	mu      sync.RWMutex
	records map[string]any
	changes uint64 // commits seen
}

// NewCache makes a cache of at most limit records whose paths begin with prefix.
func NewCache(db DB, prefix string, limit int) *Cache {
	c := &Cache{db: db, limit: limit, records: make(map[string]any)}
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
	known, ok := c.records[path].(T)
	since := c.changes
	c.mu.RUnlock()
	if ok {
		return known, nil
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
		for victim := range c.records { // any one: map order is random enough
			delete(c.records, victim)
			break
		}
	}
	c.records[path] = record
}

func (c *Cache) forget(paths []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	for _, p := range paths {
		delete(c.records, p)
	}
}
