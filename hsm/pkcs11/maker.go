package pkcs11

import (
	"context"
	"fmt"
	"time"

	"github.com/keyd-hsm/keyd/hsm"
)

// Key pairs are made in sessions of their own, because a token may take
// seconds for one: neither the keeper nor a session of the pool waits for it.
// A place in the list is taken meanwhile. RSA keys, which are the slow ones,
// have other places than the rest.
const (
	slowMakers  = 2
	quickMakers = 1
	makers      = slowMakers + quickMakers
)

// places belong to a Token, not an epoch, which a pair that is made outlives.
type places struct{ slow, quick chan struct{} }

func newPlaces() places {
	return places{slow: make(chan struct{}, slowMakers), quick: make(chan struct{}, quickMakers)}
}

// pairing lends f a new session, in which it makes a pair of kind k.
//
// It is no use of the epoch's sessions: a recovery does not wait for it, and
// the session outlives the epoch. What f makes in it dies with it. When f uses
// a handle that is not its own, it must do so inside the epoch (see within).
func (t *Token) pairing(ctx context.Context, e *epoch, k kind, f func(session) error) error {
	place := t.making.quick
	if k.slow() {
		place = t.making.slow
	}
	select {
	case place <- struct{}{}:
		defer func() { <-place }()
	case <-e.finished:
		return errEpochOver
	case <-ctx.Done():
		return ended(ctx)
	}
	// From here on the module is not finalised under us, and nobody has begun to.
	t.module.making.RLock()
	defer t.module.making.RUnlock()
	if err := ctx.Err(); err != nil {
		return ended(ctx)
	}
	if e.over() {
		return errEpochOver
	}
	s, err := openSession(e.c, e.slot, true)
	if err != nil {
		return err
	}
	defer s.close()
	return f(s)
}

// within does f inside the epoch, whose handles are then valid.
func (e *epoch) within(f func() error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	return f()
}

// stopMaking waits until no pair is being made in any session of the module;
// from then until the answer is called none is begun.
func (m *module) stopMaking(wait time.Duration) (resume func(), err error) {
	for deadline := time.Now().Add(wait); !m.making.TryLock(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("a key pair is being made: %w", hsm.ErrUnavailable)
		}
	}
	return m.making.Unlock, nil
}
