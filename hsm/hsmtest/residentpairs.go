package hsmtest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/hsm"
)

// residentPairs makes pairs that stay on the token, uses and destroys them.
func residentPairs(t *testing.T, token hsm.Token) {
	ctx := t.Context()
	ready(t, token, 0)
	for of, u := range map[hsm.KeyType]hsm.Use{
		hsm.RSA2048: hsm.Decrypt, hsm.P256: hsm.Sign, hsm.P384: hsm.Derive, hsm.Secp256k1: hsm.Sign, hsm.Ed25519: hsm.Sign,
	} {
		id := "pair " + types[of]
		public, err := token.GenerateResidentPair(ctx, id, of, u)
		if errors.Is(err, hsm.ErrUnsupported) {
			t.Logf("%s: %v", id, err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		p := pair{hsm.Key{Type: of, Use: u, Resident: id}, public}
		_, err = token.GenerateResidentPair(ctx, id, of, u)
		wants(t, "second GenerateResidentPair", err, hsm.ErrExists)
		wants(t, "GenerateResident of a pair's id", token.GenerateResident(ctx, id, hsm.HMACSHA256), hsm.ErrExists)
		serves(t, token, p)
		token.Forget(p.Key)
		serves(t, token, p)
		lie := hsm.Key{Type: hsm.HMACSHA256, Resident: id}
		if _, err := token.MAC(ctx, lie, nil); err == nil {
			t.Errorf("%s computes MACs", id)
		}
		if err := token.DestroyResident(ctx, id); err != nil {
			t.Fatal(err)
		}
		_, err = token.Sign(ctx, hsm.Key{Type: hsm.P256, Use: hsm.Sign, Resident: id}, signings(hsm.P256)[0], make([]byte, 32))
		wants(t, "Sign after DestroyResident", err, hsm.ErrNotFound)
	}
	if err := token.GenerateResident(ctx, "secret", hsm.HMACSHA256); err != nil {
		t.Fatal(err)
	}
	_, err := token.GenerateResidentPair(ctx, "secret", hsm.P256, hsm.Sign)
	wants(t, "GenerateResidentPair of a secret's id", err, hsm.ErrExists)
	if _, err := token.GenerateResidentPair(ctx, "", hsm.P256, hsm.Sign); err == nil {
		t.Error("GenerateResidentPair took an empty id")
	}
}

// oneOfMany has several callers make a pair of one id: one of them does.
func oneOfMany(t *testing.T, token hsm.Token) {
	ready(t, token, 0)
	for _, of := range []hsm.KeyType{hsm.P256, hsm.RSA2048} {
		var group sync.WaitGroup
		var made atomic.Int32
		for range 6 {
			group.Go(func() {
				_, err := token.GenerateResidentPair(t.Context(), types[of], of, hsm.Sign)
				switch {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, hsm.ErrExists):
					t.Errorf("GenerateResidentPair: %v", err)
				}
			})
		}
		group.Wait()
		if made.Load() != 1 {
			t.Errorf("%d pairs were made of one id", made.Load())
		}
	}
}

// leftInTheLurch gives up a resident pair while it is made: nothing is left of
// it, and its id is free.
func leftInTheLurch(t *testing.T, token hsm.Token) {
	ready(t, token, 0)
	// Some are given up before the token has begun, some in the midst of it.
	for _, after := range []time.Duration{0, 1, 10, 30, 60} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(after*time.Millisecond, cancel)
		_, err := token.GenerateResidentPair(ctx, "left", hsm.RSA2048, hsm.Sign)
		if err == nil {
			err = token.DestroyResident(t.Context(), "left")
		} else if errors.Is(err, context.Canceled) {
			err = nil
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := token.GenerateResidentPair(t.Context(), "left", hsm.P256, hsm.Sign); err != nil {
			t.Fatalf("an id that was given up: %v", err)
		}
		if err := token.DestroyResident(t.Context(), "left"); err != nil {
			t.Fatal(err)
		}
	}
}
