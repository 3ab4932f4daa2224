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
// after ten a device is locked, until somebody unlocks it, it is resynchronized or a
// recovery code is given. Then 30 codes of a million have been good for ten guesses
// at a TOTP device of six digits: one chance in 33,000; at one that counts, 110, one
// in 9,000.
const (
	freeFailures = 3
	lockFailures = 10
	maxDelay     = time.Hour
)

// wait is how long the next try has to wait, in whole seconds; the delay after a
// failure is never longer than most.
func (f Failures) wait(now time.Time, most time.Duration) time.Duration {
	if f.Count < freeFailures {
		return 0
	}
	if f.ahead(now) {
		return 0
	}
	shift := min(f.Count-freeFailures, 12) // 2^12 s is more than maxDelay
	left := f.Last.Add(min(time.Second<<shift, most)).Sub(now)
	return max(0, (left + time.Second - 1).Truncate(time.Second))
}

func (f Failures) locked() bool { return f.Count >= lockFailures }

// ahead reports whether the last failure is of a time that has not come: the
// machine's clock was wrong then, and nobody is made to wait until it comes again.
// A try that began a little earlier may end later, and is not meant.
func (f Failures) ahead(now time.Time) bool { return f.Last.Sub(now) > maxDelay }

// more counts one. Time never goes back: a try that began earlier may end later.
func (f *Failures) more(now time.Time) {
	f.Count++
	if now.After(f.Last) || f.ahead(now) {
		f.Last = now.UTC()
	}
}

// A BlockedError says that a code was not looked at: too many were wrong before.
type BlockedError struct {
	Locked bool          // until somebody unlocks it
	Wait   time.Duration // else: try again after it
}

func (e *BlockedError) Error() string {
	if e.Locked {
		return "too many wrong codes: the MFA device is locked until it is resynchronized or an administrator unlocks it"
	}
	return fmt.Sprintf("too many wrong codes: try again in %v", e.Wait)
}

// blocked refuses a try that comes too early. Whoever proves two codes at once
// (resync) is not stopped by a lock, only slowed down.
func blocked(now time.Time, resync bool, all ...Failures) error {
	var wait time.Duration
	for _, f := range all {
		if f.locked() && !resync {
			return &BlockedError{Locked: true}
		}
		wait = max(wait, f.wait(now, maxDelay))
	}
	if wait > 0 {
		return &BlockedError{Wait: wait}
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

// passed forgets the failures of the owner, and of the devices that were looked at:
// a wrong code counted at each of them, and else one that is never used would be
// locked by typos over the years. It stores right, which it was.
func (s *Service) passed(tx Tx, owner string, right *Device, looked ...*Device) error {
	for _, d := range looked {
		if d != right && d.Failures == (Failures{}) {
			continue
		}
		d.Failures = Failures{}
		if err := s.put(tx, d); err != nil {
			return err
		}
	}
	return tx.Delete(failures + owner)
}

// failed counts a wrong answer for the owner, and for the devices that it might
// have been of.
func (s *Service) failed(tx Tx, now time.Time, owner string, looked ...*Device) error {
	for _, d := range looked {
		d.Failures.more(now)
		if err := s.put(tx, d); err != nil {
			return err
		}
	}
	if owner == "" {
		return nil
	}
	user, err := ofOwner(tx, owner)
	if err != nil {
		return err
	}
	user.more(now)
	return put(tx, failures+owner, user)
}
