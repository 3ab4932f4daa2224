package kms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/hsm"
)

// A key that takes long to make, or that stays on the token, is announced: stored
// in state Creating before the token works, with an entry in the index of unmade
// keys. The entry goes when the key is stored for good; the next start takes back
// every key that still has one.
const unmadeIndex = prefix + "unmade/"

// doomedRecords hold the material of keys that are gone and whose objects on a
// token are still to be destroyed.
const doomedRecords = prefix + "doomed/"

func unmadePath(k *Key) string { return unmadeIndex + k.Region + "/" + k.ID }

func doomedPath(m Material) string { return doomedRecords + m.Resident }

// takingBack bounds the work that is left when a client has given up.
const takingBack = 10 * time.Second

// Abandon takes back a key that was made and will not be stored. A key that has
// been stored after all stays.
func (s *Service) Abandon(ctx context.Context, k *Key) {
	for _, m := range k.material {
		s.giveBack(m)
		s.tokenOf(m).Forget(m.key(k))
	}
	if !k.announced() {
		return
	}
	// The caller's context may have ended: that is why we are here.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takingBack)
	defer cancel()
	err := s.db.Update(ctx, func(tx Tx) error { return s.takeBack(tx, k.Region, k.ID) })
	if err == nil {
		_ = s.Reap(ctx) // what it leaves, the next sweep reaps
	}
}

// takeBack deletes an unmade key; one that has no entry in the index is made.
func (s *Service) takeBack(tx Tx, region, id string) error {
	path := unmadeIndex + region + "/" + id
	var m Material
	if err := get(tx, path, &m); err != nil {
		return ignoreNotFound(err)
	}
	err := errors.Join(tx.Delete(path), tx.Delete(keyPath(region, id)), tx.Delete(relatedPath(id, region)),
		tx.Delete(storeKeyPath(m.Store, region, id)))
	if err == nil && m.Resident != "" {
		m.Created = s.now()
		err = put(tx, doomedPath(m), m)
	}
	return err
}

// takeBackUnmade deletes what a crash has left unmade.
func (s *Service) takeBackUnmade(ctx context.Context) error {
	var unmade []string
	err := s.db.View(ctx, func(tx Tx) error {
		for path := range tx.Scan(unmadeIndex, "") {
			unmade = append(unmade, strings.TrimPrefix(path, unmadeIndex))
		}
		return nil
	})
	if err != nil || len(unmade) == 0 {
		return err
	}
	return s.db.Update(ctx, func(tx Tx) error {
		for _, name := range unmade {
			region, id, _ := strings.Cut(name, "/")
			if err := s.takeBack(tx, region, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// lingering is how long a call that was given up may still make its object on the
// token: until then one that is not there is looked for again.
const lingering = time.Hour

// Reap destroys the objects on tokens whose keys are gone. What it cannot destroy
// now, because a token is away, it leaves for the next time and says so.
func (s *Service) Reap(ctx context.Context) error {
	var doomed []Material
	err := s.db.View(ctx, func(tx Tx) error {
		for path, value := range tx.Scan(doomedRecords, "") {
			var m Material
			if err := json.Unmarshal(value, &m); err != nil {
				return fmt.Errorf("record %s: %w", path, err)
			}
			doomed = append(doomed, m)
		}
		return nil
	})
	for _, m := range doomed {
		err = errors.Join(err, s.reap(ctx, m))
	}
	return err
}

func (s *Service) reap(ctx context.Context, m Material) error {
	if m.Store != "" && s.connections.token(m.Store) == nil {
		return nil // to be done when the store is connected again
	}
	err := s.tokenOf(m).DestroyResident(ctx, m.Resident)
	switch {
	case errors.Is(err, hsm.ErrNotFound):
		if s.now().Sub(m.Created) < lingering {
			return nil
		}
	case err != nil:
		return fmt.Errorf("resident key %s: %w", m.Resident, err)
	}
	return s.db.Update(ctx, func(tx Tx) error { return tx.Delete(doomedPath(m)) })
}

// checkUnmade reports keys that are being made, and objects that are to be
// destroyed, which the index of either does not agree with. Both may be there:
// a crash leaves them, and the next start knows what to do.
func (f *fsck) checkUnmade() {
	unmade := make(map[string]bool)
	each(f, unmadeIndex, func(name string, _ *Material) {
		unmade[name] = true
		if k := f.keys[name]; k == nil || k.State != Creating {
			f.report("record %s%s: no such key is being made", unmadeIndex, name)
		}
	})
	for name, k := range f.keys {
		if k.State == Creating && !unmade[name] {
			f.report("key %s: nobody is making it", k.ARN())
		}
	}
	owned := make(map[string]bool)
	each(f, materialPrefix, func(_ string, m *Material) { owned[m.Resident] = true })
	each(f, doomedRecords, func(name string, m *Material) {
		if m.Resident != name || owned[name] {
			f.report("record %s%s: names the material of a key", doomedRecords, name)
		}
	})
}
