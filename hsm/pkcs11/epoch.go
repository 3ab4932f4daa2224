package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// errEpochOver answers a call that reached an epoch after its end.
var errEpochOver = errors.New("sessions were lost")

// drainTime bounds how long the end of an epoch waits for calls that are
// inside the module.
const drainTime = 100 * time.Millisecond

// epoch is the time between a login and the loss of the token: its sessions,
// and the handles that were valid in them. It ends once and is never mended;
// the Token begins another one.
//
// A handle is only a number, which a module may give to another key once the
// session behind it is closed. Hence the rule that keeps keys apart: every
// use of a session, the wait for it included, is made between enter and leave,
// and sessions are closed only after end has seen the last use leave.
type epoch struct {
	c    *p11.Ctx
	slot uint

	// finished is closed when the epoch is over.
	finished chan struct{}
	finish   sync.Once
	// inside is held for reading by each use of a session.
	inside sync.RWMutex

	// keeper owns the session objects, which die with the session that made
	// them. keeping is held by the one goroutine that uses it, and guards domains.
	keeper  session
	keeping chan struct{}
	domains map[string]p11.ObjectHandle

	// idle holds sessions that wait for work; a place in open is taken by each
	// one that exists.
	idle chan session
	open chan struct{}
	// slow bounds the sessions of the pool that do slow work: some are always
	// soon free for quick work, however many wait to sign with RSA.
	slow chan struct{}

	handles handles
}

// begin opens an epoch with the token in a slot.
func begin(c *p11.Ctx, s slot, pin PIN, sessions, keys int) (*epoch, error) {
	keeper, err := openSession(c, s.id, true)
	if err != nil {
		return nil, err
	}
	if err := keeper.login(pin); err != nil {
		keeper.close()
		return nil, err
	}
	if s.maxSessions > 0 {
		sessions = min(sessions, int(s.maxSessions)-1-makers)
	}
	if sessions < 1 {
		keeper.close()
		return nil, fmt.Errorf("token allows %d sessions, %d are needed: %w", s.maxSessions, 2+makers, hsm.ErrUnsupported)
	}
	return &epoch{
		c:        c,
		slot:     s.id,
		finished: make(chan struct{}),
		keeper:   keeper,
		keeping:  make(chan struct{}, 1),
		domains:  make(map[string]p11.ObjectHandle),
		idle:     make(chan session, sessions),
		open:     make(chan struct{}, sessions),
		slow:     make(chan struct{}, max(1, sessions/4)),
		handles:  newHandles(keys),
	}, nil
}

// over reports whether the epoch has ended.
func (e *epoch) over() bool {
	select {
	case <-e.finished:
		return true
	default:
		return false
	}
}

// enter begins a use of the epoch's sessions, until leave.
func (e *epoch) enter() error {
	e.inside.RLock()
	if e.over() {
		e.inside.RUnlock()
		return errEpochOver
	}
	return nil
}

func (e *epoch) leave() { e.inside.RUnlock() }

// end lets no new call in and waits until the last one has left. A call that
// hangs in the module makes it refuse: nothing is safe to do then.
func (e *epoch) end(wait time.Duration) error {
	e.finish.Do(func() { close(e.finished) })
	for deadline := time.Now().Add(wait); !e.inside.TryLock(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("a call hangs in the module: %w", hsm.ErrUnavailable)
		}
	}
	e.inside.Unlock()
	return nil
}

// close closes the sessions of an epoch that has ended, and with them destroys
// the working copies of keys.
func (e *epoch) close() {
	for len(e.idle) > 0 {
		s := <-e.idle
		s.close()
	}
	if e.keeper.h != 0 {
		e.keeper.close()
	}
	e.forgetSessions()
}

// forgetSessions drops sessions that are gone already.
func (e *epoch) forgetSessions() {
	for len(e.idle) > 0 {
		<-e.idle
	}
	e.keeper.h = 0
}

// keep lends the keeper session to f.
func (e *epoch) keep(ctx context.Context, f func(session) error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	select {
	case e.keeping <- struct{}{}:
		defer func() { <-e.keeping }()
	case <-e.finished:
		return errEpochOver
	case <-ctx.Done():
		return ended(ctx)
	}
	defer func() {
		for _, h := range e.handles.takeDoomed() {
			_ = e.keeper.destroy(h)
		}
	}()
	return f(e.keeper)
}

// lend lends a session of the pool to f. A session that saw an error is
// closed, not used again: an operation may still be active in it.
func (e *epoch) lend(ctx context.Context, f func(session) error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	s, err := e.checkout(ctx)
	if err != nil {
		return err
	}
	if err := f(s); err != nil {
		s.close()
		<-e.open
		return err
	}
	e.idle <- s
	return nil
}

// slowly does f, slow work of many milliseconds, when it is its turn.
func (e *epoch) slowly(ctx context.Context, f func() error) error {
	select {
	case e.slow <- struct{}{}:
		defer func() { <-e.slow }()
	case <-e.finished:
		return errEpochOver
	case <-ctx.Done():
		return ended(ctx)
	}
	return f()
}

// checkout takes an idle session, opens one when there may be more, or waits.
func (e *epoch) checkout(ctx context.Context) (session, error) {
	select {
	case s := <-e.idle:
		return s, nil
	default:
	}
	select {
	case s := <-e.idle:
		return s, nil
	case e.open <- struct{}{}:
		s, err := openSession(e.c, e.slot, false)
		if err != nil {
			<-e.open
		}
		return s, err
	case <-e.finished:
		return session{}, errEpochOver
	case <-ctx.Done():
		return session{}, ended(ctx)
	}
}
