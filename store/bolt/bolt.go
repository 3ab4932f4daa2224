// Package bolt keeps the state of keyd in one file, with bbolt.
//
// Most callers need two calls: [Create] makes a new file and refuses to
// overwrite one; [Open] opens an existing one and refuses to invent it. The
// [DB] they return keeps the contract of package store.
//
// A commit is two syncs: first the new pages, which nothing refers to yet, then
// the one page that refers to them. So kill -9 or a power cut at any instant
// leaves the state before the change or after it, and the next Open needs no
// repair. Updates that come while another is at work share the next commit, so that
// many at a time cost hardly more than one. Views started while an Update is in its second sync may see the
// change a moment before Update returns.
//
// Deleted values stay readable in freed pages until [DB.Scrub] overwrites them.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/keyd-hsm/keyd/store"
)

var (
	// ErrLocked: another process has the file open.
	ErrLocked = errors.New("state file is in use by another process")
	// ErrExists: Create found a file.
	ErrExists = errors.New("state file exists already")
	// ErrDamaged: the file is not, or is no longer, a state file of keyd.
	ErrDamaged = errors.New("state file damaged")
	// ErrBroken: a commit ended between "written" and "durable", so nobody knows
	// which state the disk holds. The DB refuses everything from then on; Close
	// it and Open it again, and the disk decides.
	ErrBroken = errors.New("state file could not be synced")
	// ErrClosed: the DB was closed.
	ErrClosed = errors.New("state file is closed")
)

// DB is the state in one file. It implements store.DB.
type DB struct {
	bolt *bbolt.DB
	// file is bbolt's own handle, for Scrub and Stats; only its lock counts.
	file *os.File

	// writer holds a token while an Update, Scrub, Check or Close is at work.
	// bbolt has a lock of its own, but one that no context can interrupt and
	// that is let go before the watchers have been told.
	writer chan struct{}

	readers readers
	watches watches

	mu      sync.Mutex
	failed  error   // guarded by mu; ErrBroken or ErrClosed once it is over
	waiting []*turn // guarded by mu; Updates that nobody has called yet, in their order
}

var _ store.DB = (*DB)(nil)

// View implements store.DB.
func (d *DB) View(ctx context.Context, fn func(store.Tx) error) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	defer d.readers.enter().leave()
	btx, err := d.bolt.Begin(false)
	if err != nil {
		return mapClosed(err)
	}
	defer btx.Rollback()
	t := &tx{bucket: btx.Bucket(stateBucket)}
	defer func() { t.bucket = nil }()
	return fn(t)
}

// commit makes a transaction durable, or says that it is not there, or, when
// neither is sure, breaks the DB.
func (d *DB) commit(btx *bbolt.Tx) error {
	id := btx.ID()
	if err := btx.Commit(); err != nil {
		return d.commitFailed(id, fmt.Errorf("commit: %w", err))
	}
	return nil
}

// commitFailed decides what a failed commit leaves. bbolt writes pages to free
// space first and syncs them. An error up to there (a full disk, say) changed
// nothing and later commits may succeed. But if the page that refers to them
// was written and its sync failed, the change is visible and perhaps not on the
// disk, and a later sync that succeeds would prove nothing: the kernel reports
// a lost write once.
func (d *DB) commitFailed(id int, err error) error {
	if current, rerr := d.bolt.Begin(false); rerr == nil {
		defer current.Rollback()
		if current.ID() < id {
			return err
		}
	}
	return d.fail(fmt.Errorf("%w: %w", ErrBroken, err))
}

// Close waits for what is under way and closes the file. A second Close does nothing.
func (d *DB) Close() error {
	d.writer <- struct{}{}
	defer func() { <-d.writer }()
	d.mu.Lock()
	closed := errors.Is(d.failed, ErrClosed)
	d.failed = ErrClosed
	d.mu.Unlock()
	if closed {
		return nil
	}
	return d.bolt.Close()
}

// lockWriter waits its turn among writers, as long as ctx allows.
func (d *DB) lockWriter(ctx context.Context) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case d.writer <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release = func() { <-d.writer }
	if err := d.ready(ctx); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// ready reports why nothing can be done now: the context or the DB is at its end.
func (d *DB) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

func (d *DB) fail(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed == nil {
		d.failed = err
	}
	return err
}

func mapClosed(err error) error {
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}
