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
	defer t.leave(from)
	timer := time.NewTimer(min(most, left))
	defer timer.Stop()
	select {
	case <-e.done:
	case <-timer.C:
	case <-t.closed:
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, err = t.own(from, id); err != nil {
		return Result{}, err
	}
	return Result{e.outcome, e.Question, e.proof}, nil
}

// enter counts one who waits, and says when there is news at the latest.
func (t *Challenges) enter(from, id string) (e *entry, left time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, err = t.own(from, id); err != nil {
		return nil, 0, err
	}
	a := t.of(from)
	if a.waits >= maxWaits || t.waits >= maxWaitsAll {
		return nil, 0, ErrTooMany
	}
	a.waits++
	t.waits++
	left = MaxTTL
	if !e.answering {
		left = e.Expires.Sub(t.now())
	}
	return e, left, nil
}

func (t *Challenges) leave(from string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waits--
	t.of(from).waits--
	t.tidy(from)
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
