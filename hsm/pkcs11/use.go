package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"slices"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// work is what is done with a key in a session of the pool.
type work func(s session, h *handle, input []byte) ([]byte, error)

// pace says on which goroutine a key is used.
type pace bool

const (
	// quick work, well under a millisecond, is done on the caller's goroutine if
	// the key is in the cache: to go to another one costs 5 to 10 µs.
	quick pace = true
	// slow work, such as an RSA operation, is always done on another one, so that
	// the caller can leave when its context ends.
	slow pace = false
)

// with does w with a key, and once more with a new epoch when the token was lost.
func (t *Token) with(ctx context.Context, k hsm.Key, p pace, input []byte, w work) ([]byte, error) {
	if err := t.usable(k); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key := cacheKey(k)
	e := t.epoch.Load()
	if h := t.cached(e, key, k, p); h != nil {
		out, err := t.use(ctx, e, h, input, w)
		if err == nil || !e.loses(err) {
			return out, explain(err)
		}
	}
	// The call may outlive its caller, who may change these.
	k.Wrapped, input = slices.Clone(k.Wrapped), slices.Clone(input)
	return attempt(ctx, t, func(e *epoch) (out []byte, err error) {
		do := func() error {
			h, err := t.handle(ctx, e, key, k)
			if err == nil {
				out, err = t.use(ctx, e, h, input, w)
			}
			return err
		}
		if p == slow {
			err = e.slowly(ctx, do)
		} else {
			err = do()
		}
		return out, err
	})
}

// cached returns the handle for quick work, in use, when it is in the cache.
func (t *Token) cached(e *epoch, key string, k hsm.Key, p pace) *handle {
	if p != quick {
		return nil
	}
	return e.handles.use(key, kind{k.Type, k.Use})
}

// use does w with a handle and releases it.
func (t *Token) use(ctx context.Context, e *epoch, h *handle, input []byte, w work) (out []byte, err error) {
	released := false
	err = e.lend(ctx, func(s session) error {
		out, err = w(s, h, input)
		released = true
		if e.handles.release(h) {
			e.handles.discard(s, h.object)
		}
		// The token found this key fit when the handle was new. If it is not
		// any more, the handle is not what it was.
		if is(err, p11.CKR_KEY_TYPE_INCONSISTENT, p11.CKR_KEY_FUNCTION_NOT_PERMITTED) {
			return errors.Join(errEpochOver, err)
		}
		return err
	})
	if !released && e.handles.release(h) {
		e.handles.doom(h.object)
	}
	return out, t.blame(ctx, e, err)
}

// blame marks a vague error that the token gave while it is well: a new epoch
// would not help, and whoever can provoke the error must not end this one.
func (t *Token) blame(ctx context.Context, e *epoch, err error) error {
	if !vague(err) {
		return err
	}
	_ = e.keep(ctx, func(s session) error {
		if t.well(e, s) {
			err = fmt.Errorf("%w: %w", errRefused, err)
		}
		return nil
	})
	return err
}
