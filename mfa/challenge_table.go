package mfa

import (
	"slices"
	"time"

	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// The methods here are called with Challenges.mu held.

// own finds a challenge of that asker. Another's is none.
func (t *Challenges) own(from, id string) (*entry, error) {
	e, ok := t.byID[id]
	if !ok || e.From != from || t.forgotten(e) {
		return nil, ErrNoChallenge
	}
	return e, nil
}

// ended reports whether a challenge has ended, and ends it if its time has come.
// One that is being answered may be late: its answer came in time.
func (t *Challenges) ended(e *entry) bool {
	if e.ended.IsZero() && !e.answering && !t.now().Before(e.Expires) {
		t.end(e, protocol.Outcome{State: protocol.Expired, At: e.Expires})
	}
	return !e.ended.IsZero()
}

// forgotten reports whether a challenge ended so long ago that it is forgotten.
func (t *Challenges) forgotten(e *entry) bool {
	return t.ended(e) && t.now().Sub(e.ended) >= outcomeKept
}

// end gives a challenge its outcome and wakes who waits for it. One that was
// cancelled meanwhile stays forgotten.
func (t *Challenges) end(e *entry, o protocol.Outcome) {
	if t.byID[e.ID] != e || !e.ended.IsZero() {
		return
	}
	e.outcome, e.ended = o, o.At
	close(e.done)
	for h, i := range t.holdings(&e.Question) {
		h.open--
		h.ended = append(h.ended, e)
		if len(h.ended) > limits[i].open {
			t.forget(h.ended[0])
		}
	}
}

// forget drops a challenge.
func (t *Challenges) forget(e *entry) {
	if t.byID[e.ID] != e {
		return
	}
	delete(t.byID, e.ID)
	if e.ended.IsZero() {
		close(e.done)
	}
	for h := range t.holdings(&e.Question) {
		if e.ended.IsZero() {
			h.open--
		} else if i := slices.Index(h.ended, e); i >= 0 {
			h.ended = slices.Delete(h.ended, i, i+1)
		}
	}
}

// sweep ends and forgets what is due.
func (t *Challenges) sweep(now time.Time) {
	t.swept = now
	for _, e := range t.byID {
		if t.forgotten(e) {
			t.forget(e)
		}
	}
}
