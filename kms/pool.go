package kms

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

// poolRecords hold key pairs made in advance, wrapped as all material is, by key
// spec: a token takes seconds for an RSA key, and CreateKey need not wait for it.
// A pair leaves the pool in the commit that stores its KMS key.
const poolRecords = prefix + "pool/"

// pooledSpecs are the specs that a pool is kept of.
var pooledSpecs = []string{"RSA_2048", "RSA_3072", "RSA_4096"}

// poolPause is how long nothing must have been asked of the token before the pool
// is filled, and how often that is looked at.
const poolPause = time.Second

// pool says which pairs have been handed out.
type pool struct {
	size int // pairs of each spec; 0: no pool

	mu     sync.Mutex
	handed map[string]bool // by path; those that are not in the store any more are dropped when next seen
}

// takePooled hands out a pair of the draft's spec, to nobody else until it is given
// back. Material without a pooled path means that there is none.
func (s *Service) takePooled(ctx context.Context, draft *Key) (Material, error) {
	if !specs[draft.Spec].slow || draft.resident() {
		return Material{}, nil
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	var m Material
	err := s.db.View(ctx, func(tx Tx) error {
		still := make(map[string]bool)
		for path, value := range tx.Scan(poolRecords, "") {
			if s.pool.handed[path] {
				still[path] = true
				continue
			}
			if m.pooled != "" || !strings.HasPrefix(path, poolRecords+draft.Spec+"/") {
				continue
			}
			if err := json.Unmarshal(value, &m); err != nil {
				return fmt.Errorf("record %s: %w", path, err)
			}
			m.pooled, still[path] = path, true
		}
		s.pool.handed = still
		return nil
	})
	m.Number, m.Created = 1, s.now()
	return m, err
}

// giveBack lets a pair be handed out again.
func (s *Service) giveBack(m Material) {
	if m.pooled == "" {
		return
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	delete(s.pool.handed, m.pooled)
}

// drawPooled takes a pair out of the pool for good.
func drawPooled(tx Tx, m Material) error {
	if m.pooled == "" {
		return nil
	}
	if _, err := tx.Get(m.pooled); err != nil {
		return fmt.Errorf("pooled key: %w", err) // used by another key: never twice
	}
	return tx.Delete(m.pooled)
}

// FillPool keeps the pool of RSA keys full until ctx ends. It works when nobody
// asks anything of the token, one key at a time, and tells of failures.
func (s *Service) FillPool(ctx context.Context, failed func(error)) error {
	if s.pool.size == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(poolPause)
	defer tick.Stop()
	for used := s.used.Load(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		last := used
		if used = s.used.Load(); used != last {
			continue
		}
		if err := s.AddToPool(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}

// AddToPool makes one key for the pool, of a spec that the pool has too few of.
func (s *Service) AddToPool(ctx context.Context) error {
	name, err := s.missingInPool(ctx)
	if err != nil || name == "" {
		return err
	}
	// The use is that of the key that takes the pair; the wrapped form has none.
	k := &Key{Spec: name, Usage: SignVerify}
	m, err := s.makeMaterial(ctx, k, 0)
	if err != nil {
		return err
	}
	s.tokenOf(m).Forget(m.key(k))
	id, err := s.randomBytes(16)
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx Tx) error {
		return put(tx, poolRecords+name+"/"+hex.EncodeToString(id), m)
	})
}

// missingInPool names a spec that the pool has too few of; "" for a full pool.
func (s *Service) missingInPool(ctx context.Context) (name string, err error) {
	err = s.db.View(ctx, func(tx store.Tx) error {
		for _, spec := range pooledSpecs {
			n := 0
			for range tx.Scan(poolRecords+spec+"/", "") {
				n++
			}
			if n < s.pool.size {
				name = spec
				return nil
			}
		}
		return nil
	})
	return name, err
}

// checkPool reports pooled keys that cannot be used.
func (f *fsck) checkPool() {
	each(f, poolRecords, func(name string, m *Material) {
		spec, _, _ := strings.Cut(name, "/")
		if specs[spec] == nil || len(m.Wrapped) == 0 || m.Domain == "" {
			f.report("pooled key %s: incomplete", name)
			return
		}
		if _, err := ParsePublic(spec, m.Public); err != nil {
			f.report("pooled key %s: %v", name, err)
		}
	})
}
