package server

import (
	"context"
	"sync"

	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/kms"
)

// use runs an operation that changes nothing.
func (s *Server) use(c *call) (any, error) {
	if err := c.route.admit(s, c, nil); err != nil {
		return nil, err
	}
	return c.route.serve(s, c)
}

// settle releases the answer of an operation that changed nothing, if it is
// still right. A change that was made meanwhile waits in [Server.commit] until
// the answers given by the old state are in the log; an answer that comes later
// than that is checked again, so that nothing is released after a change by
// what was so before it.
func (s *Server) settle(c *call, since uint64, out any, err error) answer {
	s.settled.RLock()
	defer s.settled.RUnlock()
	if err == nil && s.commits.Load() != since {
		err = s.reauthenticate(c)
		switch {
		case err != nil:
		case c.route.pure:
			out, err = s.use(c)
		default:
			err = c.route.admit(s, c, nil)
		}
	}
	return s.finish(c, out, err)
}

// change runs an operation that changes the store: admitted once before the
// token works, so that a refused caller costs nothing, and again in the
// transaction that makes the change.
func (s *Server) change(c *call) answer {
	if err := c.route.admit(s, c, nil); err != nil {
		return s.finish(c, nil, err)
	}
	if c.route.prepare != nil {
		if err := c.route.prepare(s, c); err != nil {
			return s.finish(c, nil, err)
		}
	}
	changed := false
	defer func() { // after a panic too
		if !changed && c.undo != nil {
			c.undo()
		}
	}()
	commit := s.commit
	if c.route.takes {
		commit = s.commitAlone
	}
	err := commit(c.ctx, func(tx kms.Tx) (*audit.Event, error) {
		if err := s.reauthenticate(c); err != nil {
			return nil, err
		}
		if err := c.route.admit(s, c, tx); err != nil {
			return nil, err
		}
		out, err := c.route.apply(s, c, tx)
		if err != nil {
			return nil, err
		}
		c.out = out
		return s.event(c, nil), nil
	})
	unrecorded := (*unrecordedError)(nil)
	isUnrecorded := asUnrecorded(err, &unrecorded) // the change is made then
	changed = err == nil || isUnrecorded
	if c.done != nil && changed {
		c.done()
	}
	if isUnrecorded {
		s.Logger.Error("audit log", "request", c.id, "operation", c.name, "error", err)
		return internalError(c)
	}
	if err != nil {
		return s.finish(c, nil, err)
	}
	a, err := success(c, c.out)
	if err != nil {
		s.Logger.Error("answer", "request", c.id, "operation", c.name, "error", err)
		return internalError(c)
	}
	return a
}

// finish makes the answer of a call that changed nothing and releases it when
// its event is on disk. Without the event there is no answer but an error.
func (s *Server) finish(c *call, out any, err error) answer {
	var (
		a answer
		f *fault
	)
	if err == nil {
		if a, err = success(c, out); err == nil {
			c.out = out
		}
	}
	if err != nil {
		f = s.faultOf(c, err)
		a = failure(c, f)
	}
	e := s.event(c, f)
	if err := s.append(e); err != nil {
		s.Logger.Error("audit log", "request", c.id, "operation", c.name, "error", err)
		return internalError(c)
	}
	if f == nil && c.route.uses {
		s.used(c, e)
	}
	return a
}

// append puts an event into the log and waits until it is on disk.
func (s *Server) append(e *audit.Event) error {
	record, err := e.Encode()
	if err != nil {
		return err
	}
	_, err = s.Log.Append(record)
	return err
}

// commit makes a change and its event one: fn's writes and the event go into
// the store together, then the event moves to the log. On return both are
// durable, and no answer given by the old state is still on its way.
//
// A crash before the transaction commits leaves nothing. After it, the change
// stands and its event is in the outbox, from where the next start moves it.
//
// While the log takes nothing, nothing is changed: the outbox is for a crash, not
// a log of its own.
func (s *Server) commit(ctx context.Context, fn func(tx kms.Tx) (*audit.Event, error)) error {
	return s.commitUnder(ctx, s.together.RLocker(), fn)
}

// commitAlone is commit for a change that may take a right from somebody. Changes
// share commits, and the gate knows identities and grants as the last commit left
// them: a change that came behind this one in the same commit would be decided by
// what was so before it.
func (s *Server) commitAlone(ctx context.Context, fn func(tx kms.Tx) (*audit.Event, error)) error {
	return s.commitUnder(ctx, &s.together, fn)
}

func (s *Server) commitUnder(ctx context.Context, lock sync.Locker, fn func(tx kms.Tx) (*audit.Event, error)) error {
	if err := s.Log.Err(); err != nil {
		return err
	}
	p, err := s.post(ctx, lock, fn)
	if err != nil {
		return err
	}
	s.outbox.sent(p)
	s.commits.Add(1)
	err = s.forward(p)
	s.settled.Lock()   // every answer that was checked against the old state is out now
	s.settled.Unlock() //nolint:staticcheck // an empty critical section is the point
	if err != nil {
		return &unrecordedError{err}
	}
	return nil
}

// post makes a change in a transaction, with its event in the outbox.
func (s *Server) post(ctx context.Context, lock sync.Locker, fn func(tx kms.Tx) (*audit.Event, error)) (p posted, err error) {
	lock.Lock()
	defer lock.Unlock() // after a panic too
	err = s.State.Update(ctx, func(tx kms.Tx) error {
		e, err := fn(tx)
		if err != nil {
			return err
		}
		p, err = s.outbox.post(tx, s.Log.Size(), e)
		return err
	})
	return p, err
}
