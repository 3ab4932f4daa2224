package pkcs11

import (
	"context"
	"sync"
)

// reservations keep the ids of resident keys that are being made: a pair takes
// seconds between the look whether its id is free and its appearance.
type reservations struct {
	mu    sync.Mutex // guards taken
	taken map[string]chan struct{}
}

// take waits until nobody makes a key of that id. The answer lets the next one.
func (r *reservations) take(ctx context.Context, id string) (free func(), err error) {
	for {
		r.mu.Lock()
		other := r.taken[id]
		if other == nil {
			break
		}
		r.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ended(ctx)
		}
	}
	defer r.mu.Unlock()
	if r.taken == nil {
		r.taken = make(map[string]chan struct{})
	}
	mine := make(chan struct{})
	r.taken[id] = mine
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.taken, id)
		close(mine)
	}, nil
}

// reserved attempts to make a resident key of an id that nobody else makes
// meanwhile. One that is made for a caller who has left is destroyed again.
func reserved[T any](ctx context.Context, t *Token, id string, op func(*epoch) (T, error)) (T, error) {
	var zero T
	if err := checkID(residentLabel, id); err != nil {
		return zero, err
	}
	free, err := t.ids.take(ctx, id)
	if err != nil {
		return zero, err
	}
	return attemptAnd(ctx, t, op, func(inVain bool) {
		defer free()
		if inVain {
			ctx, cancel := context.WithTimeout(context.Background(), closeTime)
			defer cancel()
			_ = t.DestroyResident(ctx, id)
		}
	})
}
