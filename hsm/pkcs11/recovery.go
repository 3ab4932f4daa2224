package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyd-hsm/keyd/hsm"
)

// retryAfter is the pause after a recovery that failed. It bounds both what a
// lost token costs and how long its return goes unnoticed.
const retryAfter = 200 * time.Millisecond

// attempt makes a call: op with the current epoch, and once more with the next
// one when the first was lost under it. It returns when op does or when ctx
// ends, whichever is first; op, on a goroutine of its own because C cannot be
// interrupted, then ends by itself. That costs 5 to 10 µs, which is little beside
// an unwrap and much beside a MAC.
func attempt[T any](ctx context.Context, t *Token, op func(*epoch) (T, error)) (T, error) {
	return attemptAnd(ctx, t, op, func(bool) {})
}

// attemptAnd is attempt for what must be cleaned up after: last is called when
// op is done for good, and told whether it has succeeded for a caller who had left.
func attemptAnd[T any](ctx context.Context, t *Token, op func(*epoch) (T, error), last func(inVain bool)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var zero T
	if err := ctx.Err(); err != nil {
		last(false)
		return zero, err
	}
	// Nobody else takes what is sent, so that either the caller has the result or
	// the goroutine knows that nobody has.
	done, left := make(chan result), make(chan struct{})
	go func() {
		v, err := once(ctx, t, op)
		if err != nil && !settled(err) && lost(err) {
			v, err = once(ctx, t, op)
		}
		select {
		case done <- result{v, err}:
			last(false)
		case <-left:
			last(err == nil)
		}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return zero, explain(r.err)
		}
		return r.value, nil
	case <-ctx.Done():
		close(left)
		return zero, ended(ctx)
	}
}

// once runs op in the current epoch, and ends the epoch if op lost it.
func once[T any](ctx context.Context, t *Token, op func(*epoch) (T, error)) (T, error) {
	e, err := t.current(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	v, err := op(e)
	e.loses(err)
	return v, err
}

// loses ends the epoch when err says that it was lost, and reports whether it
// was. It does not wait for the calls that are inside: the recovery does.
func (e *epoch) loses(err error) bool {
	if err == nil || settled(err) || !lost(err) {
		return false
	}
	_ = e.end(0)
	return true
}

// settled reports whether err already says what its cause means for the
// caller, so that neither a new epoch nor a second try would help.
func settled(err error) bool {
	for _, say := range []error{hsm.ErrUnavailable, hsm.ErrWrapped, hsm.ErrMaterial, hsm.ErrPIN, errRefused} {
		if errors.Is(err, say) {
			return true
		}
	}
	return false
}

// current returns the epoch to work in. When the last one is over it has one
// goroutine begin another, and waits for it.
func (t *Token) current(ctx context.Context) (*epoch, error) {
	for {
		e := t.epoch.Load()
		if !e.over() {
			return e, nil
		}
		t.mu.Lock()
		e = t.epoch.Load()
		switch {
		case t.closing:
			t.mu.Unlock()
			return nil, errClosed
		case t.refused != nil:
			t.mu.Unlock()
			return nil, t.refused
		case !e.over():
			t.mu.Unlock()
			return e, nil
		case t.recovering == nil && time.Since(t.failedAt) < retryAfter:
			err := t.failure
			t.mu.Unlock()
			return nil, err
		case t.recovering == nil:
			t.recovering = make(chan struct{})
			go t.recover(t.recovering)
		}
		recovered := t.recovering
		t.mu.Unlock()
		select {
		case <-recovered:
		case <-ctx.Done():
			return nil, ended(ctx)
		}
	}
}

// recover begins a new epoch and tells those that wait.
func (t *Token) recover(recovered chan struct{}) {
	err := explain(t.renew())
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failure, t.failedAt = nil, time.Time{}
	switch {
	case errors.Is(err, hsm.ErrPIN):
		t.refused = fmt.Errorf("token %v: %w", t.info, err)
	case err != nil:
		if !errors.Is(err, hsm.ErrUnavailable) {
			err = notReady(err)
		}
		t.failure, t.failedAt = fmt.Errorf("token %v: %w", t.info, err), time.Now()
	}
	t.recovering = nil
	close(recovered)
}

// renew replaces an epoch that is over, first with the module as it is, then
// with the module restarted.
func (t *Token) renew() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := t.module.take(ctx); err != nil {
		return err
	}
	defer t.module.give()
	if _, open := t.module.tokens[t]; !open {
		return errClosed
	}
	old := t.epoch.Load()
	if err := old.end(drainTime); err != nil {
		return err
	}
	old.close()
	err := t.again()
	if err == nil || pinRefused(err) {
		return err
	}
	if restart := t.module.restart(t); restart != nil {
		return errors.Join(err, restart)
	}
	return t.again()
}

// again begins an epoch with the very token that was opened: the PIN is shown
// to no other.
func (t *Token) again() error {
	if err := t.module.initialize(); err != nil {
		return err
	}
	i := t.info
	s, err := choose(t.module.Ctx, URI{Token: i.Label, Serial: i.Serial, Manufacturer: i.Manufacturer, Model: i.Model})
	if err != nil {
		return notReady(err)
	}
	e, err := begin(t.module.Ctx, s, t.config.PIN, t.config.MaxSessions, t.config.MaxHandles)
	if err != nil {
		return err
	}
	t.epoch.Store(e)
	return nil
}
