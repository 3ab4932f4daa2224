package iam

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

// accessed is where it stands when users and roles used the services last: <unique
// id>: accesses. It is no part of what decisions rest on, so it is not under
// prefix.
const accessed = "iam-accessed/"

// accesses is when a user or role used each service last.
type accesses struct {
	Version int                  `json:"v"`
	At      map[string]time.Time `json:"at"` // by service: "kms"
}

// An access is a user or role, by its ARN, using a service.
type access struct{ arn, service string }

// maxAccesses bounds the accesses in memory between two flushes; those of
// further principals are not noted.
const maxAccesses = 1 << 18

// accessLog keeps last accesses in memory until they are flushed, so that a
// request writes nothing. A crash loses what was noted since.
type accessLog struct {
	mu      sync.RWMutex
	fresh   map[access]time.Time // since the last flush
	writing map[access]time.Time // on their way into the store; nil between flushes
}

// Accessed notes that a principal, a user or role by its ARN, used a service,
// such as "kms". It is cheap: once a second and pair it takes a note, else it
// only looks.
func (s *Service) Accessed(principalARN, service string, at time.Time) {
	l, a := &s.accesses, access{principalARN, service}
	l.mu.RLock()
	last, ok := l.fresh[a]
	full := !ok && len(l.fresh) >= maxAccesses
	l.mu.RUnlock()
	if full || ok && at.Sub(last) < time.Second {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fresh == nil {
		l.fresh = make(map[access]time.Time)
	}
	l.fresh[a] = at.UTC().Truncate(time.Second)
}

// lastAccess is when a user or role used a service last; zero for never.
func (s *Service) lastAccess(tx Tx, e Entity, service string) (time.Time, error) {
	if at, ok := s.accesses.find(access{e.ARN, service}); ok {
		return at, nil
	}
	known, err := load[accesses](tx, accessed+e.ID)
	if errors.Is(err, store.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return known.At[service], nil
}

func (l *accessLog) find(a access) (time.Time, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if at, ok := l.fresh[a]; ok {
		return at, true
	}
	at, ok := l.writing[a]
	return at, ok
}

// FlushAccesses writes to the store what Accessed has noted. To be called now
// and then, by one goroutine, and before the end. After an error what was not
// written is kept for the next call.
func (s *Service) FlushAccesses(ctx context.Context) error {
	batch := s.accesses.begin()
	all := slices.SortedFunc(maps.Keys(batch), func(a, b access) int {
		return cmp.Or(cmp.Compare(a.arn, b.arn), cmp.Compare(a.service, b.service))
	})
	var err error
	for part := range slices.Chunk(all, maxFlush) {
		err = errors.Join(err, s.db.Update(ctx, func(tx Tx) error { return s.writeAccesses(tx, part, batch) }))
	}
	s.accesses.end(err == nil)
	return err
}

// writeAccesses leaves out principals that are gone: nothing would remove their
// records.
func (s *Service) writeAccesses(tx Tx, part []access, at map[access]time.Time) error {
	for _, a := range part {
		e, err := s.Entity(tx, a.arn)
		if isNoSuch(err) {
			continue
		}
		if err != nil {
			return err
		}
		known, err := load[accesses](tx, accessed+e.ID)
		if errors.Is(err, store.ErrNotFound) {
			known, err = &accesses{Version: 1, At: make(map[string]time.Time)}, nil
		}
		if err != nil {
			return err
		}
		known.At[a.service] = at[a]
		if err := put(tx, accessed+e.ID, known); err != nil {
			return err
		}
	}
	return nil
}

func (l *accessLog) begin() map[access]time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing, l.fresh = l.fresh, nil
	return l.writing
}

func (l *accessLog) end(written bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !written && l.writing != nil {
		maps.Copy(l.writing, l.fresh) // the later access wins
		l.fresh = l.writing
	}
	l.writing = nil
}
