package mfa

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

// Failures counts wrong codes since the last right one.
type Failures struct {
	Count int       `json:"n,omitempty"`
	Last  time.Time `json:"last,omitzero"`
}

// What stops guesses: three codes may be wrong one after the other, then each
// further try has to wait twice as long as the one before, from one second on; and
// after ten a device is locked, until it is resynchronized or enabled anew. Then 30
// codes of a million have been good for ten guesses: one chance in 33,000.
const (
	freeFailures = 3
	lockFailures = 10
	maxDelay     = time.Hour
)

// until is when the next try may be made.
func (f Failures) until() time.Time {
	if f.Count < freeFailures {
		return time.Time{}
	}
	shift := min(f.Count-freeFailures, 12) // 2^12 s is more than maxDelay
	return f.Last.Add(min(time.Second<<shift, maxDelay))
}

func (f Failures) locked() bool { return f.Count >= lockFailures }

// more counts one. Time never goes back: a try that began earlier may end later.
func (f *Failures) more(now time.Time) {
	f.Count++
	if now.After(f.Last) {
		f.Last = now.UTC()
	}
}

// A BlockedError says that a code was not looked at: too many were wrong before.
type BlockedError struct {
	Locked bool          // until the device is resynchronized
	Wait   time.Duration // else: try again after it
}

func (e *BlockedError) Error() string {
	if e.Locked {
		return "too many wrong codes: the MFA device is locked until it is resynchronized"
	}
	return fmt.Sprintf("too many wrong codes: try again in %v", e.Wait)
}

// blocked refuses a try that comes too early. Whoever proves two codes at once
// (resync) is not stopped by a lock, only slowed down.
func blocked(now time.Time, resync bool, all ...Failures) error {
	var until time.Time
	for _, f := range all {
		if f.locked() && !resync {
			return &BlockedError{Locked: true}
		}
		if u := f.until(); u.After(until) {
			until = u
		}
	}
	if now.Before(until) {
		return &BlockedError{Wait: (until.Sub(now) + time.Second - 1).Truncate(time.Second)}
	}
	return nil
}

// ofOwner are the failures at all devices of an owner; none for "".
func ofOwner(tx Tx, owner string) (f Failures, err error) {
	if owner == "" {
		return f, nil
	}
	b, err := tx.Get(failures + owner)
	if errors.Is(err, store.ErrNotFound) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(b, &f)
}

// failed counts a wrong code for the device and for its owner.
func (s *Service) failed(tx Tx, d *Device, owner Failures, now time.Time) error {
	d.Failures.more(now)
	if err := s.put(tx, d); err != nil || d.Owner == "" {
		return err
	}
	owner.more(now)
	return put(tx, failures+d.Owner, owner)
}
