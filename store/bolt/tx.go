package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	bbolt "go.etcd.io/bbolt"

	"github.com/keyd-hsm/keyd/store"
)

// maxKey is the contract's limit on keys, in bytes.
const maxKey = 1024

// errEnded: a transaction was kept and used after its function had returned.
var errEnded = errors.New("transaction has ended")

// tx is one transaction over the one bucket that holds the state.
type tx struct {
	bucket *bbolt.Bucket // nil once the transaction has ended
	// before holds what stood under the keys that were written; nil where nothing
	// may be.
	before map[string]previous
}

func (t *tx) Get(key string) ([]byte, error) {
	if err := t.check(key); err != nil {
		return nil, err
	}
	v := t.bucket.Get([]byte(key))
	if v == nil {
		return nil, fmt.Errorf("key %q: %w", key, store.ErrNotFound)
	}
	return v, nil
}

func (t *tx) Put(key string, value []byte) error {
	if err := t.checkWrite(key); err != nil {
		return err
	}
	// bbolt keeps the slice until it commits, and takes nil for "not there".
	kept := make([]byte, len(value))
	copy(kept, value)
	t.note(key)
	if err := t.bucket.Put([]byte(key), kept); err != nil {
		return fmt.Errorf("key %q: %w", key, err)
	}
	return nil
}

func (t *tx) Delete(key string) error {
	if err := t.checkWrite(key); err != nil {
		return err
	}
	k := []byte(key)
	if t.bucket.Get(k) == nil {
		return nil
	}
	t.note(key)
	if err := t.bucket.Delete(k); err != nil {
		return fmt.Errorf("key %q: %w", key, err)
	}
	return nil
}

func (t *tx) Scan(prefix, after string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		if t.bucket == nil {
			return
		}
		c := t.bucket.Cursor()
		k, v := c.Seek([]byte(max(prefix, after)))
		if after != "" && string(k) == after {
			k, v = c.Next()
		}
		for ; k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
			if !yield(string(k), v) {
				return
			}
		}
	}
}

// note keeps what stands under key, the first time that it is written.
func (t *tx) note(key string) {
	if _, noted := t.before[key]; noted {
		return
	}
	v := t.bucket.Get([]byte(key))
	t.before[key] = previous{value: bytes.Clone(v), there: v != nil}
}

func (t *tx) checkWrite(key string) error {
	if t.before == nil {
		return store.ErrReadOnly
	}
	return t.check(key)
}

func (t *tx) check(key string) error {
	switch {
	case t.bucket == nil:
		return errEnded
	case key == "":
		return errors.New("key is empty")
	case len(key) > maxKey:
		return fmt.Errorf("key of %d bytes: at most %d are allowed", len(key), maxKey)
	}
	return nil
}
