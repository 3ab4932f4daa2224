package piv_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/piv"
)

// TestTokenSealedAgain: a sealed token that was loaded once opens, each time, with
// the domain keys that it has by then, and writes none of them away.
func TestTokenSealedAgain(t *testing.T) {
	private, key := softKey(t, ecdh.P256())
	path := filepath.Join(t.TempDir(), "token.json")
	token, err := piv.CreateToken(path, 1, key)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := piv.LoadToken(path)
	if err != nil {
		t.Fatal(errors.Join(err, token.Close()))
	}
	want := []string{"a", "b", "c"}
	for i, id := range want {
		if err := token.CreateDomainKey(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if err := token.Close(); err != nil {
			t.Fatal(err)
		}
		if token, err = sealed.Unseal(key, 1, private.ECDH); err != nil {
			t.Fatal(err)
		}
		if have, err := token.DomainKeys(t.Context()); err != nil || !slices.Equal(have, want[:i+1]) {
			t.Errorf("opened again it has the domain keys %v, %v; want %v", have, err, want[:i+1])
		}
	}
	if err := token.Close(); err != nil {
		t.Error(err)
	}
}

// TestTokenClosedInUse closes a token whose keys are used, forgotten, evicted and
// made by others at that moment: they get the right answer, or that it is closed.
func TestTokenClosedInUse(t *testing.T) {
	private, key := softKey(t, ecdh.P256())
	path := filepath.Join(t.TempDir(), "token.json")
	const working = 3 // fewer than there are keys
	token, err := piv.CreateToken(path, working, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := token.CreateDomainKey(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	keys, macs := make([]hsm.Key, 6), make([][]byte, 6)
	for i := range keys {
		wrapped, err := token.Generate(t.Context(), "d", hsm.HMACSHA256)
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = hsm.Key{Type: hsm.HMACSHA256, Domain: "d", Wrapped: wrapped}
		if macs[i], err = token.MAC(t.Context(), keys[i], nil); err != nil {
			t.Fatal(err)
		}
	}
	wrapped, _, err := token.GeneratePair(t.Context(), "d", hsm.P256, hsm.Sign)
	if err != nil {
		t.Fatal(err)
	}
	pair := hsm.Key{Type: hsm.P256, Use: hsm.Sign, Domain: "d", Wrapped: wrapped}
	for range 20 {
		if err := token.Close(); err != nil {
			t.Fatal(err)
		}
		sealed, err := piv.LoadToken(path)
		if err != nil {
			t.Fatal(err)
		}
		if token, err = sealed.Unseal(key, working, private.ECDH); err != nil {
			t.Fatal(err)
		}
		var users sync.WaitGroup
		for user := range 8 {
			users.Go(func() {
				for i := user; ; i++ {
					n := 7 * i % len(keys)
					mac, err := token.MAC(t.Context(), keys[n], nil)
					if err == nil && !bytes.Equal(mac, macs[n]) {
						t.Errorf("key %d computes another MAC", n)
					}
					token.Forget(keys[(n+1)%len(keys)])
					_, signs := token.Sign(t.Context(), pair, hsm.Signing{Scheme: hsm.ECDSA, Hash: crypto.SHA256}, make([]byte, 32))
					token.Forget(pair)
					_, _, makes := token.GeneratePair(t.Context(), "d", hsm.P256, hsm.Sign)
					for _, err := range []error{err, signs, makes} {
						if errors.Is(err, hsm.ErrUnavailable) {
							return
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		time.Sleep(5 * time.Millisecond)
		if err := token.Close(); err != nil {
			t.Error(err)
		}
		users.Wait()
	}
}
