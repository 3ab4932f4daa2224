package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	bbolt "go.etcd.io/bbolt"

	"github.com/keyd-hsm/keyd/store"
)

// maxGroup bounds the Updates that share a commit, and with it how long the first
// of them waits for the rest.
const maxGroup = 64

// A group is Updates whose changes become durable together: a commit is two syncs,
// however much is in it. The first, the leader, opens the transaction and calls
// those that wait, one after the other; each runs its function on its own
// goroutine; the leader commits. A function that fails leaves no trace in it.
type group struct {
	bolt    *bbolt.Tx
	changed map[string]struct{} // by functions that succeeded
	broken  error               // what failed could not be taken back: nothing may be committed
	done    chan struct{}       // closed when the group has been decided
	err     error               // valid then: why nothing was committed
}

// errUnfinished: the leader ended before it could commit.
var errUnfinished = errors.New("commit did not come to its end")

// A turn is an Update that waits.
type turn struct {
	come chan *group   // the leader's call
	over chan struct{} // closed when the function has run, or will not
}

// Update implements store.DB.
func (d *DB) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	t := &turn{come: make(chan *group), over: make(chan struct{})}
	d.queue(t)
	select {
	case g := <-t.come:
		return g.join(t, fn)
	case d.writer <- struct{}{}:
		defer func() { <-d.writer }()
		d.unqueue(t) // nobody has called it: who calls has the writer's token
		return d.lead(ctx, fn)
	case <-ctx.Done():
		if !d.unqueue(t) {
			<-t.come // a leader has seen it waiting, and is told that it has gone
			close(t.over)
		}
		return ctx.Err()
	}
}

func (d *DB) queue(t *turn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = append(d.waiting, t)
}

// unqueue reports whether t was still waiting.
func (d *DB) unqueue(t *turn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.waiting, t)
	if i < 0 {
		return false
	}
	d.waiting = slices.Delete(d.waiting, i, i+1)
	return true
}

// next takes the first that waits, or nil.
func (d *DB) next() *turn {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 0 {
		return nil
	}
	t := d.waiting[0]
	d.waiting = slices.Delete(d.waiting, 0, 1)
	return t
}

// lead runs fn and the functions of those that wait, and commits. The caller has
// the writer's token.
func (d *DB) lead(ctx context.Context, fn func(store.Tx) error) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	btx, err := d.bolt.Begin(true)
	if err != nil {
		return mapClosed(err)
	}
	// After Commit this does nothing; after a panic or a runtime.Goexit in fn it
	// leaves no trace of what fn wrote.
	defer btx.Rollback()
	g := &group{bolt: btx, changed: make(map[string]struct{}), done: make(chan struct{}), err: errUnfinished}
	defer close(g.done)
	own := g.run(fn)
	for range maxGroup - 1 {
		t := d.next()
		if t == nil {
			break
		}
		t.come <- g
		<-t.over
	}
	g.err = d.decide(g)
	if g.err != nil {
		return g.err
	}
	return own
}

// decide commits what the group has changed and tells the watchers.
func (d *DB) decide(g *group) error {
	if g.broken != nil || len(g.changed) == 0 {
		return g.broken
	}
	if err := d.commit(g.bolt); err != nil {
		return err
	}
	d.watches.tell(g.changed)
	return nil
}

// join runs fn in its turn and waits for the commit. What fn refused is told after
// it too: it may have seen what others in the group wrote.
func (g *group) join(t *turn, fn func(store.Tx) error) error {
	own := func() error {
		defer close(t.over)
		return g.run(fn)
	}()
	<-g.done
	if g.err != nil {
		return g.err
	}
	return own
}

// run lends the transaction to fn. An error, a panic or a runtime.Goexit in fn
// takes back what it wrote.
func (g *group) run(fn func(store.Tx) error) error {
	t := &tx{bucket: g.bolt.Bucket(stateBucket), before: make(map[string]previous)}
	kept := false
	defer func() {
		if !kept {
			g.broken = errors.Join(g.broken, t.undo())
		}
		t.bucket = nil
	}()
	if err := fn(t); err != nil {
		return err
	}
	kept = true
	for key := range t.before {
		g.changed[key] = struct{}{}
	}
	return nil
}

// previous is what stood under a key before an Update wrote there.
type previous struct {
	value []byte
	there bool
}

// undo puts back what stood there.
func (t *tx) undo() error {
	for key, p := range t.before {
		var err error
		if p.there {
			err = t.bucket.Put([]byte(key), p.value)
		} else {
			err = t.bucket.Delete([]byte(key))
		}
		if err != nil {
			return fmt.Errorf("key %q: taking back: %w", key, err)
		}
	}
	return nil
}
