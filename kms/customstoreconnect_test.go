package kms_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/store/bolt"
)

// viewed tells when a View has ended.
type viewed struct {
	store.DB
	ended chan struct{}
}

func (v viewed) View(ctx context.Context, fn func(store.Tx) error) error {
	err := v.DB.View(ctx, fn)
	v.ended <- struct{}{}
	return err
}

// TestReconnectReadsThenLooks: no snapshot of the store is held while connections
// are waited for. Whoever changes them reads the store, and a store that is about to
// grow lets no reader in until all are out: each would wait for the other.
func TestReconnectReadsThenLooks(t *testing.T) {
	db, err := bolt.Create(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(t.Context(), func(tx store.Tx) error {
		return tx.Put("kms/store/eu-1/cks-1", []byte(`{"id":"cks-1","region":"eu-1","state":"CONNECTED","cluster":"cluster-1"}`))
	})
	if err != nil {
		t.Fatal(err)
	}
	v := viewed{db, make(chan struct{})}
	s, unlock := kms.WithLockedConnections(v)
	done := make(chan error)
	go func() {
		_, err := s.Reconnect(t.Context())
		done <- err
	}()
	<-v.ended
	unlock()
	if err := <-done; err == nil {
		t.Error("connected to a cluster that is in no configuration")
	}
}
