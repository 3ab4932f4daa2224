package hsmtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/hsm"
)

func random(t *testing.T, token hsm.Token) {
	seen := make(map[string]bool)
	for n := 1; n <= 1024; n++ {
		b, err := token.Random(t.Context(), n)
		if err != nil || len(b) != n {
			t.Fatalf("Random(%d): %d bytes, %v", n, len(b), err)
		}
		// Two of 16 bytes are the same once in 2^128.
		if n >= 16 {
			if seen[string(b[:16])] {
				t.Fatalf("Random(%d) began like an earlier answer", n)
			}
			seen[string(b[:16])] = true
		}
	}
	for _, n := range []int{-1, 1 << 30} {
		if _, err := token.Random(t.Context(), n); err == nil {
			t.Errorf("Random(%d) was not refused", n)
		}
	}
}

func endedContexts(t *testing.T, token hsm.Token) {
	k := ready(t, token, 1)[0]
	m := mac(t, token, k, "data")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for name, call := range calls(token, k) {
		wants(t, name+" with a canceled context", call(canceled), context.Canceled)
		wants(t, name+" after its deadline", call(late), context.DeadlineExceeded)
	}
	if ids, err := token.DomainKeys(t.Context()); err != nil || len(ids) != 1 {
		t.Errorf("DomainKeys = %q, %v: a call without time left a trace", ids, err)
	}
	if mac(t, token, k, "data") != m {
		t.Error("MAC differs afterwards")
	}
}

// manyKeys uses four times as many keys as there are handles from 64
// goroutines, while keys are forgotten and callers leave early. A handle that
// is destroyed, or given to another key, while it is in use shows as a wrong MAC.
func manyKeys(t *testing.T, token hsm.Token) {
	keys := ready(t, token, 4*Handles)
	want := make([]string, len(keys))
	for i, k := range keys {
		want[i] = mac(t, token, k, name(i))
	}
	var group sync.WaitGroup
	failures := make(chan error, 64)
	for g := range 64 {
		group.Go(func() {
			if err := useMany(t.Context(), token, keys, want, g); err != nil {
				failures <- err
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
}

func useMany(ctx context.Context, token hsm.Token, keys []hsm.Key, want []string, g int) error {
	for n := range 60 {
		i := (g*7 + n*n) % len(keys)
		if n%10 == 9 {
			token.Forget(keys[i])
		}
		call, cancel := context.WithCancel(ctx)
		if n%5 == 4 {
			go cancel()
		}
		m, err := token.MAC(call, keys[i], []byte(name(i)))
		cancel()
		if errors.Is(err, context.Canceled) {
			continue
		}
		if err != nil {
			return fmt.Errorf("goroutine %d, key %d: %w", g, i, err)
		}
		if string(m) != want[i] {
			return fmt.Errorf("goroutine %d: MAC of another key than %d", g, i)
		}
	}
	return nil
}

// manyPairs is manyKeys for signatures: one of another key does not verify.
func manyPairs(t *testing.T, token hsm.Token) {
	ready(t, token, 0)
	pairs := make([]pair, 2*Handles)
	for i := range pairs {
		p, ok := newPair(t, token, hsm.P256, hsm.Sign)
		if !ok {
			return
		}
		pairs[i] = p
	}
	a := signings(hsm.P256)[0]
	var group sync.WaitGroup
	for g := range 16 {
		group.Go(func() {
			for n := range 30 {
				p, input := pairs[(g*7+n*n)%len(pairs)], sum(a, []byte(name(n)))
				if n%10 == 9 {
					token.Forget(p.Key)
				}
				ctx, cancel := context.WithCancel(t.Context())
				if n%5 == 4 {
					go cancel()
				}
				signature, err := token.Sign(ctx, p.Key, a, input)
				cancel()
				if errors.Is(err, context.Canceled) {
					continue
				}
				if err == nil {
					err = verifies(publicKey(t, p), a, input, signature)
				}
				if err != nil {
					t.Errorf("goroutine %d: %v", g, err)
				}
			}
		})
	}
	group.Wait()
}

func check(t *testing.T, token hsm.Token) {
	k := ready(t, token, 1)[0]
	for range 3 {
		if err := token.Check(t.Context(), domain); err != nil {
			t.Errorf("Check: %v", err)
		}
		mac(t, token, k, "data")
	}
	wants(t, "Check of a domain key that is not there", token.Check(t.Context(), "nowhere"), hsm.ErrNotFound)
}
