package iam

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

// lastUses stands outside of what caches watch: nothing is decided by it.
const lastUses = "iam-last-use/" // <access key id or unique id of a role>: Use

// Use is when and for what an access key, or a role, was used last.
type Use struct {
	At      time.Time `json:"at"`
	Service string    `json:"service"` // "kms"
	Region  string    `json:"region"`
}

// lastUse keeps uses in memory until Flush, so that a request writes nothing. A
// crash loses what was used since.
type lastUse struct {
	mu      sync.RWMutex
	fresh   map[string]Use // since the last Flush
	writing map[string]Use // on their way into the store; nil between Flushes
}

// Used notes that an access key, by its id, or a role, by its unique id, was
// used. It is cheap: once a second and place it takes a note, else it only looks.
func (s *Service) Used(id, service, region string, at time.Time) {
	l := &s.uses
	l.mu.RLock()
	u, ok := l.fresh[id]
	l.mu.RUnlock()
	if ok && u.Service == service && u.Region == region && at.Sub(u.At) < time.Second {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fresh == nil {
		l.fresh = make(map[string]Use)
	}
	l.fresh[id] = Use{At: at.UTC().Truncate(time.Second), Service: service, Region: region}
}

// LastUse is the last use of an access key, by its id, or of a role, by its
// unique id. It is zero if there was none.
func (s *Service) LastUse(tx Tx, id string) (Use, error) {
	if u, ok := s.uses.find(id); ok {
		return u, nil
	}
	u, err := load[Use](tx, lastUses+id)
	if errors.Is(err, store.ErrNotFound) {
		return Use{}, nil
	}
	if err != nil {
		return Use{}, err
	}
	return *u, nil
}

func (l *lastUse) find(id string) (Use, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if u, ok := l.fresh[id]; ok {
		return u, true
	}
	u, ok := l.writing[id]
	return u, ok
}

// maxFlush bounds the uses that one transaction writes, so that changes do not
// wait long behind it.
const maxFlush = 1_000

// Flush writes to the store what Used has noted. To be called now and then, by
// one goroutine, and before the end. After an error what was not written is kept
// for the next call.
func (s *Service) Flush(ctx context.Context) error {
	batch := s.uses.begin()
	ids := slices.Sorted(maps.Keys(batch))
	var err error
	for part := range slices.Chunk(ids, maxFlush) {
		err = errors.Join(err, s.db.Update(ctx, func(tx Tx) error { return writeUses(tx, part, batch) }))
	}
	s.uses.end(err == nil)
	return err
}

func (l *lastUse) begin() map[string]Use {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing, l.fresh = l.fresh, nil
	return l.writing
}

func (l *lastUse) end(written bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !written && l.writing != nil {
		maps.Copy(l.writing, l.fresh) // the later use wins
		l.fresh = l.writing
	}
	l.writing = nil
}

// writeUses leaves out what has been deleted meanwhile: nothing would remove its
// record.
func writeUses(tx Tx, ids []string, uses map[string]Use) error {
	for _, id := range ids {
		key, err := exists(tx, accessKeys+id)
		if err != nil {
			return err
		}
		role, err := exists(tx, uniqueIDs+id)
		if err != nil {
			return err
		}
		if !key && !role {
			continue
		}
		if err := put(tx, lastUses+id, uses[id]); err != nil {
			return err
		}
	}
	return nil
}
