package kms_test

import (
	"context"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/store/bolt"
)

// pooled counts the keys in the pool.
func pooled(t *testing.T, db *bolt.DB) (n int) {
	t.Helper()
	err := db.View(t.Context(), func(tx store.Tx) error {
		for range tx.Scan("kms/pool/", "") {
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFillPool: the pool fills while nobody works, a key taken out is not in it any
// more, and it fills again.
func TestFillPool(t *testing.T) {
	s, db := newService(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.FillPool(ctx, func(err error) { t.Error(err) }) }()
	filled := func() {
		for pooled(t, db) < 3 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	filled()
	k := makeKey(t, s, db, "RSA_2048", kms.SignVerify)
	message := []byte("m")
	signature, err := s.Sign(t.Context(), k, "RSASSA_PSS_SHA_256", kms.MessageRaw, message)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(k, "RSASSA_PSS_SHA_256", kms.MessageRaw, message, signature); err != nil {
		t.Error(err)
	}
	filled()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := pooled(t, db); n != 3 {
		t.Errorf("%d keys in a pool of one of each size", n)
	}
}
