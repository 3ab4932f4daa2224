package sts

import (
	"container/list"
	"crypto/sha256"
	"sync"
)

// lru keeps the facts of verified tokens by the SHA-256 of the token. The least
// recently used go first.
type lru struct {
	size int

	mu      sync.Mutex // guards the rest
	entries map[[sha256.Size]byte]*list.Element
	recent  list.List // of *lruEntry, the most recently used first
}

type lruEntry struct {
	key   [sha256.Size]byte
	facts *facts
}

func newLRU(size int) *lru {
	return &lru{size: size, entries: make(map[[sha256.Size]byte]*list.Element)}
}

// get returns nil for what it does not hold.
func (l *lru) get(key [sha256.Size]byte) *facts {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	if e == nil {
		return nil
	}
	l.recent.MoveToFront(e)
	return e.Value.(*lruEntry).facts
}

func (l *lru) add(key [sha256.Size]byte, f *facts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries[key] != nil {
		return
	}
	l.entries[key] = l.recent.PushFront(&lruEntry{key, f})
	if l.recent.Len() > l.size {
		oldest := l.recent.Remove(l.recent.Back()).(*lruEntry)
		delete(l.entries, oldest.key)
	}
}
