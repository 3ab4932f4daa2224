package kms

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

// lastUses stands outside of what caches watch: a flush makes nothing stale.
const lastUses = "kms-last-use/" // <region>/<key id>: KeyUsage

// KeyUsage is the last successful cryptographic operation with a key.
type KeyUsage struct {
	Operation string    `json:"operation"` // "Encrypt"
	At        time.Time `json:"at"`
	Event     string    `json:"event"`   // id of the audit event
	Request   string    `json:"request"` // id of the request
}

func usagePath(region, id string) string { return lastUses + region + "/" + id }

// usages keeps uses in memory until FlushUsage, so that a request writes nothing.
// A crash loses what was used since.
type usages struct {
	mu      sync.RWMutex
	fresh   map[string]KeyUsage // by path, since the last FlushUsage
	writing map[string]KeyUsage // on their way into the store; nil between
}

// Used notes a successful cryptographic operation with the key.
func (s *Service) Used(k *Key, u KeyUsage) {
	path := usagePath(k.Region, k.ID)
	s.usages.mu.Lock()
	defer s.usages.mu.Unlock()
	if s.usages.fresh == nil {
		s.usages.fresh = make(map[string]KeyUsage)
	}
	if u.At.Before(s.usages.fresh[path].At) {
		return // began earlier and ended later
	}
	s.usages.fresh[path] = u
}

// LastUsage is the last use of a key since it was made; ok is false if there was
// none.
func (s *Service) LastUsage(tx Tx, k *Key) (u KeyUsage, ok bool, err error) {
	path := usagePath(k.Region, k.ID)
	if u, ok := s.usages.find(path); ok {
		return u, true, nil
	}
	err = get(tx, path, &u)
	if errors.Is(err, store.ErrNotFound) {
		return u, false, nil
	}
	return u, err == nil, err
}

// IdleDays is the number of whole days for which the key has not been used: since
// its last use or, if there was none, since it was made.
func (s *Service) IdleDays(ctx context.Context, tx Tx, k *Key) (days int, err error) {
	since := k.Created
	read := func(tx Tx) error {
		u, ok, err := s.LastUsage(tx, k)
		if ok {
			since = u.At
		}
		return err
	}
	if tx != nil {
		err = read(tx)
	} else {
		err = s.db.View(ctx, read)
	}
	return max(0, int(s.now().Sub(since)/(24*time.Hour))), err
}

func (l *usages) find(path string) (KeyUsage, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if u, ok := l.fresh[path]; ok {
		return u, true
	}
	u, ok := l.writing[path]
	return u, ok
}

// maxUsageFlush bounds the uses that one transaction writes, so that changes do
// not wait long behind it.
const maxUsageFlush = 1_000

// FlushUsage writes to the store what Used has noted. To be called now and then,
// by one goroutine, and before the end. After an error what was not written is
// kept for the next call.
func (s *Service) FlushUsage(ctx context.Context) error {
	batch := s.usages.begin()
	var err error
	for part := range slices.Chunk(slices.Sorted(maps.Keys(batch)), maxUsageFlush) {
		err = errors.Join(err, s.db.Update(ctx, func(tx Tx) error { return writeUsages(tx, part, batch) }))
	}
	s.usages.end(err == nil)
	return err
}

func (l *usages) begin() map[string]KeyUsage {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing, l.fresh = l.fresh, nil
	return l.writing
}

func (l *usages) end(written bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !written && l.writing != nil {
		maps.Copy(l.writing, l.fresh) // the later use wins
		l.fresh = l.writing
	}
	l.writing = nil
}

// writeUsages leaves out keys that have been deleted meanwhile: nothing would
// remove their records.
func writeUsages(tx Tx, paths []string, uses map[string]KeyUsage) error {
	for _, path := range paths {
		_, err := tx.Get(keyPrefix + strings.TrimPrefix(path, lastUses))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := put(tx, path, uses[path]); err != nil {
			return err
		}
	}
	return nil
}

// checkUsages reports uses of keys that are not there.
func (f *fsck) checkUsages() {
	each(f, lastUses, func(name string, u *KeyUsage) {
		if f.keys[name] == nil || u.Operation == "" || u.At.IsZero() {
			f.report("last use of key %s: no such key, or incomplete", name)
		}
	})
}
