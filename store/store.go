// Package store says what keyd asks of the place that keeps its state: a
// sorted key-value space with transactions.
//
// Most callers need two calls: [DB.View] reads one consistent snapshot,
// [DB.Update] changes it atomically and returns when the change is durable.
// store/bolt keeps the promise in one file; store/storetest holds the suite
// that every implementation passes.
package store

import (
	"context"
	"errors"
	"iter"
)

// ErrNotFound: no value under that key.
var ErrNotFound = errors.New("not found")

// ErrReadOnly: a write inside View.
var ErrReadOnly = errors.New("read-only transaction")

// Tx is one transaction, lent to the function that View or Update calls and
// dead when that returns. It belongs to one goroutine.
//
// Keys are non-empty, at most 1,024 bytes, ordered bytewise, written as paths:
// "kms/key/eu-1/…".
type Tx interface {
	// Get returns the value under key, or an error wrapping ErrNotFound. The
	// bytes are valid until the transaction ends and must not be changed.
	Get(key string) ([]byte, error)
	// Put sets the value under key; value is copied.
	Put(key string, value []byte) error
	// Delete removes key; to delete what is not there is no error.
	Delete(key string) error
	// Scan yields the pairs whose key begins with prefix and is greater than
	// after ("" for all), in order, as of this transaction. Values are valid as
	// those of Get are. The loop body must not write.
	Scan(prefix, after string) iter.Seq2[string, []byte]
}

// DB is the state. Every method is safe for concurrent use.
type DB interface {
	// View calls fn with a consistent snapshot. Views do not wait for Updates.
	View(ctx context.Context, fn func(Tx) error) error
	// Update calls fn alone among writers and commits what it wrote when it
	// returns nil; an error or a panic leaves no trace. On return the change is
	// durable, Views see it, and every Watch has been told. Updates that wait for
	// each other may share a commit; when it fails, all of them fail. What those
	// before fn in the same commit wrote, fn sees in its Tx, and nobody in a View:
	// fn must not decide by a View or a cache what one of them may have changed.
	Update(ctx context.Context, fn func(Tx) error) error
	// Watch calls changed with the keys under prefix that a commit wrote or
	// deleted, after it is durable and before its Update returns. changed must
	// be quick and must not use the DB. stop ends the watch.
	Watch(prefix string, changed func(keys []string)) (stop func())
	// Scrub overwrites the space in which deleted values stood, so that they
	// cannot be read from the medium any more.
	Scrub(ctx context.Context) error
	Close() error
}
