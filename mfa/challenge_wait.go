package mfa

import (
	"context"
	"time"

	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// A Result is what came of a challenge so far.
type Result struct {
	protocol.Outcome
	Question Question
	Proof    Proof // zero unless verified
}

// Wait returns what came of a challenge of that asker, after waiting for it, at
// most so long. It returns ErrNoChallenge if there is none, or it was cancelled
// meanwhile, and ErrTooMany where as many wait as may.
func (t *Challenges) Wait(ctx context.Context, from, id string, most time.Duration) (Result, error) {
	e, left, err := t.enter(from, id)
	if err != nil {
		return Result{}, err
	}
	defer t.leave(e)
	if err := t.await(ctx, e, most, left); err != nil {
		return Result{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, err = t.own(from, id); err != nil {
		return Result{}, err
	}
	return Result{e.outcome, e.Question, e.proof}, nil
}

// await returns when there is news of a challenge that has so much time left, or
// after most. One that is being answered when its time has come ends with that
// answer, whatever it is.
func (t *Challenges) await(ctx context.Context, e *entry, most, left time.Duration) error {
	enough, expiry := time.NewTimer(most), time.NewTimer(left)
	defer enough.Stop()
	defer expiry.Stop()
	for {
		select {
		case <-expiry.C:
			if t.answered(e) {
				continue
			}
		case <-e.done:
		case <-enough.C:
		case <-t.closed:
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	}
}

// answered reports whether an answer is being checked.
func (t *Challenges) answered(e *entry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return e.answering
}

// enter counts one who waits, and says when the challenge expires.
func (t *Challenges) enter(from, id string) (e *entry, left time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, err = t.own(from, id); err != nil {
		return nil, 0, err
	}
	if t.crowded(&e.Question) {
		return nil, 0, ErrTooMany
	}
	for h := range t.holdings(&e.Question) {
		h.waits++
	}
	return e, e.Expires.Sub(t.now()), nil
}

func (t *Challenges) leave(e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for h := range t.holdings(&e.Question) {
		h.waits--
	}
}

// Claim reports whether the credentials of a verified challenge of that asker are
// still to be had, and takes them: it says so once.
func (t *Challenges) Claim(from, id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, err := t.own(from, id)
	if err != nil || e.claimed || !e.Credentials || e.outcome.State != protocol.Verified {
		return false
	}
	e.claimed = true
	return true
}

// Unclaim gives back what Claim took: they could not be made.
func (t *Challenges) Unclaim(from, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, err := t.own(from, id); err == nil {
		e.claimed = false
	}
}
