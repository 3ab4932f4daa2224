package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/kms"
)

// outboxPrefix is where the events of changes wait for the log.
const outboxPrefix = "outbox/"

// outbox remembers which posted events have reached the log, so that the next
// change removes them on its way: one commit serves both.
type outbox struct {
	mu   sync.Mutex
	done []string // paths of events that are durable in the log
}

// posted is an event in the outbox.
type posted struct {
	path    string
	record  []byte   // as it goes into the log
	removed []string // what the same commit took out of the outbox
}

// outboxRecord is an event as it stands in the store. The log held Size events
// when it was posted, so that is where to look for it after a crash.
type outboxRecord struct {
	Size  int64           `json:"size"`
	Event json.RawMessage `json:"event"`
}

// post writes an event and clears out what has been forwarded.
func (o *outbox) post(tx kms.Tx, size int64, e *audit.Event) (posted, error) {
	record, err := e.Encode()
	if err != nil {
		return posted{}, err
	}
	value, err := json.Marshal(outboxRecord{Size: size, Event: record})
	if err != nil {
		return posted{}, err
	}
	p := posted{path: outboxPrefix + e.EventID, record: record, removed: o.forwarded()}
	for _, path := range p.removed {
		if err := tx.Delete(path); err != nil {
			return posted{}, err
		}
	}
	return p, tx.Put(p.path, value)
}

func (o *outbox) forwarded() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.done...)
}

// sent forgets what a commit removed. Until then a failed commit loses nothing.
func (o *outbox) sent(p posted) {
	o.mu.Lock()
	defer o.mu.Unlock()
	gone := make(map[string]bool, len(p.removed))
	for _, path := range p.removed {
		gone[path] = true
	}
	kept := o.done[:0]
	for _, path := range o.done {
		if !gone[path] {
			kept = append(kept, path)
		}
	}
	o.done = kept
}

// Close keeps what was gathered in memory, and takes the events that have reached the log out of the outbox, which the
// next change would have done. Call it when no request is served any more; a
// daemon that never comes to it loses nothing.
func (s *Server) Close(ctx context.Context) error {
	if err := s.flush(ctx); err != nil {
		return err
	}
	done := posted{removed: s.outbox.forwarded()}
	if len(done.removed) == 0 {
		return nil
	}
	err := s.State.Update(ctx, func(tx kms.Tx) error {
		for _, path := range done.removed {
			if err := tx.Delete(path); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.outbox.sent(done)
	}
	return err
}

// forward appends a posted event to the log.
func (s *Server) forward(p posted) error {
	if _, err := s.Log.Append(p.record); err != nil {
		return err
	}
	s.outbox.mu.Lock()
	defer s.outbox.mu.Unlock()
	s.outbox.done = append(s.outbox.done, p.path)
	return nil
}

// recover moves the events that a crash left in the outbox to the log: those
// that are not there yet. A crash in the middle of it is followed by another
// recover, which finds what this one did.
func (s *Server) recover(ctx context.Context) error {
	waiting := make(map[string]outboxRecord)
	err := s.State.View(ctx, func(tx kms.Tx) error {
		for path, value := range tx.Scan(outboxPrefix, "") {
			var r outboxRecord
			if err := json.Unmarshal(value, &r); err != nil {
				return fmt.Errorf("record %s: %w", path, err)
			}
			waiting[path] = r
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(waiting)) {
		r := waiting[path]
		arrived, err := s.Log.ContainsSince(r.Size, strings.TrimPrefix(path, outboxPrefix))
		if err != nil {
			return err
		}
		if arrived {
			s.outbox.done = append(s.outbox.done, path)
			continue
		}
		if err := s.forward(posted{path: path, record: r.Event}); err != nil {
			return err
		}
	}
	return nil
}

// unrecordedError: a change was made and its event could not be logged. It is in the
// outbox; the client gets an error, for it is not told what is not in the log.
type unrecordedError struct{ err error }

func (e *unrecordedError) Error() string { return "event not logged yet: " + e.err.Error() }
func (e *unrecordedError) Unwrap() error { return e.err }

func asUnrecorded(err error, target **unrecordedError) bool { return errors.As(err, target) }

// Fsck checks the outbox of a store whose log holds size events. It returns how
// many events are in it and what is wrong, a line each.
func Fsck(tx kms.Tx, size int64) (waiting int, problems []string) {
	for path, value := range tx.Scan(outboxPrefix, "") {
		var r outboxRecord
		waiting++
		if err := json.Unmarshal(value, &r); err != nil || len(r.Event) == 0 {
			problems = append(problems, fmt.Sprintf("record %s: damaged", path))
		} else if r.Size > size {
			problems = append(problems, fmt.Sprintf("record %s: posted when the log had %d events; it has %d", path, r.Size, size))
		}
	}
	return waiting, problems
}
