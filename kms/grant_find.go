package kms

import (
	"context"
	"encoding/json"

	"github.com/keyd-hsm/keyd/store"
)

// A GrantQuestion asks whether a grant lets a grantee do something.
type GrantQuestion struct {
	Action string // "kms:Encrypt"
	// Context is the request's encryption context.
	Context map[string]string
	// Child is what a grant to be made permits; of CreateGrant only.
	Child *GrantScope
}

// HasGrants reports whether there are grants on the key.
func (k *Key) HasGrants() bool { return k.granted }

// Granted reports whether a grant on the key to the very grantee, given as
// grants have it bound, allows what is asked. It costs a look into a cache, and
// where the grantee has constrained grants one into the store; the number of
// grants on the key does not matter. It reads what is committed.
func (s *Service) Granted(ctx context.Context, k *Key, grantee string, q *GrantQuestion) (bool, error) {
	op := bits[q.Action]
	if op == 0 || !k.granted {
		return false, nil
	}
	r, err := s.grantee(ctx, k, grantee)
	if err != nil || r == nil {
		return false, err
	}
	need := op
	if q.Child != nil {
		need |= newOpSet(q.Child.Operations...)
	}
	for operations := range r.Open {
		if operations.holds(need) {
			return true, nil
		}
	}
	bound := false
	for operations := range r.Bound {
		bound = bound || operations.holds(need)
	}
	if !bound || !contextual.holds(op) {
		return bound, nil
	}
	return s.findForm(ctx, k, grantee, r, q, need)
}

// grantee is what somebody has on a key, in short; nil: nothing.
func (s *Service) grantee(ctx context.Context, k *Key, grantee string) (*granteeRecord, error) {
	path := granteePath(k.Region, k.ID, grantee)
	return store.Cached(ctx, s.grants, path, func(tx Tx) (*granteeRecord, error) {
		r := new(granteeRecord)
		if err := find(tx, path, r); err != nil {
			return nil, err
		}
		if r.empty() {
			return nil, nil
		}
		return r, nil
	})
}

// findForm looks for a grant with constraints that the question keeps to, in
// the buckets where one may be.
func (s *Service) findForm(ctx context.Context, k *Key, grantee string, r *granteeRecord, q *GrantQuestion, need opSet) (found bool, err error) {
	allows := func(f *formRecord) bool { return f.Allow(q.Context) }
	exact, pairs := q.Context, []map[string]string{q.Context}
	if q.Child != nil {
		allows = func(f *formRecord) bool { return q.Child.Within(f.Constraints) }
		exact, pairs = q.Child.Equals, []map[string]string{q.Child.Equals, q.Child.Subset}
	}
	err = s.db.View(ctx, func(tx Tx) error {
		look := func(bucket string) error {
			for _, value := range tx.Scan(formPath(k.Region, k.ID, grantee, bucket, ""), "") {
				var f formRecord
				if err := json.Unmarshal(value, &f); err != nil {
					return err
				}
				if found = f.Operations.holds(need) && allows(&f); found {
					break
				}
			}
			return nil
		}
		if r.Equals > 0 && (q.Child == nil || exact != nil) {
			if err := look(equalsBucket(exact)); err != nil || found {
				return err
			}
		}
		for _, m := range pairs {
			for key, value := range m {
				if err := look(pairBucket(key, value)); err != nil || found {
					return err
				}
			}
		}
		return nil
	})
	return found, err
}
