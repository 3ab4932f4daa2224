package mfa

import (
	"slices"
	"time"

	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// The methods here are called with Challenges.mu held.

// of is what an asker has. Who makes one empty again calls tidy.
func (t *Challenges) of(from string) *asker {
	a := t.askers[from]
	if a == nil {
		a = new(asker)
		t.askers[from] = a
	}
	return a
}

// tidy drops an asker who has nothing.
func (t *Challenges) tidy(from string) {
	if a := t.askers[from]; a != nil && a.open == 0 && a.waits == 0 && len(a.ended) == 0 {
		delete(t.askers, from)
	}
}

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
	a := t.of(e.From)
	t.open--
	a.open--
	a.ended = append(a.ended, e)
	if len(a.ended) > maxEnded {
		t.forget(a.ended[0])
	}
	if len(t.byID)-t.open > maxOpenAll {
		t.forget(t.oldest())
	}
}

// oldest is the challenge that ended first of those that are known.
func (t *Challenges) oldest() *entry {
	var first *entry
	for _, a := range t.askers {
		if len(a.ended) > 0 && (first == nil || a.ended[0].ended.Before(first.ended)) {
			first = a.ended[0]
		}
	}
	return first
}

// forget drops a challenge.
func (t *Challenges) forget(e *entry) {
	if t.byID[e.ID] != e {
		return
	}
	delete(t.byID, e.ID)
	a := t.of(e.From)
	if e.ended.IsZero() {
		t.open--
		a.open--
		close(e.done)
	} else {
		a.ended = slices.DeleteFunc(a.ended, func(other *entry) bool { return other == e })
	}
	t.tidy(e.From)
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
