package pkcs11_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/softhsm"
)

// under opens the module a second time, as other code in the process might.
func under(t *testing.T, c pkcs11.Config) *p11.Ctx {
	t.Helper()
	m := p11.New(c.Module)
	if m == nil {
		t.Fatalf("%s does not load", c.Module)
	}
	return m
}

// slotOf finds the slot of a token.
func slotOf(t *testing.T, m *p11.Ctx, label string) uint {
	t.Helper()
	ids, err := m.GetSlotList(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if i, err := m.GetTokenInfo(id); err == nil && i.Label == label {
			return id
		}
	}
	t.Fatalf("no slot with token %q", label)
	return 0
}

// TestRecovery does to the module what other code or a device may do, and then
// expects each method, called first, to work as if nothing had been.
func TestRecovery(t *testing.T) {
	harms := map[string]func(t *testing.T, m *p11.Ctx, label string) error{
		"sessions closed": func(t *testing.T, m *p11.Ctx, label string) error {
			return m.CloseAllSessions(slotOf(t, m, label))
		},
		"logged out": func(t *testing.T, m *p11.Ctx, label string) error {
			s, err := m.OpenSession(slotOf(t, m, label), p11.CKF_SERIAL_SESSION)
			if err != nil {
				return err
			}
			return m.Logout(s)
		},
		"module finalized": func(_ *testing.T, m *p11.Ctx, _ string) error { return m.Finalize() },
		"module finalized and initialized": func(_ *testing.T, m *p11.Ctx, _ string) error {
			return errors.Join(m.Finalize(), m.Initialize())
		},
	}
	for name, harm := range harms {
		t.Run(name, func(t *testing.T) {
			s := softhsm.Test(t)
			token, keys := opened(t, s.Config(), 1)
			f := newFleet(t, token)
			k, ctx := keys[0], t.Context()
			want, err := token.MAC(ctx, k, message)
			if err != nil {
				t.Fatal(err)
			}
			m := under(t, s.Config())
			calls := map[string]func() error{
				"MAC": func() error {
					got, err := token.MAC(ctx, k, message)
					if err == nil && string(got) != string(want) {
						err = errors.New("another MAC than before")
					}
					return err
				},
				"Random":           func() error { _, err := token.Random(ctx, 8); return err },
				"Generate":         func() error { _, err := token.Generate(ctx, domain, hsm.HMACSHA256); return err },
				"Check":            func() error { return token.Check(ctx, domain) },
				"CreateDomainKey":  func() error { return token.CreateDomainKey(ctx, "domain-2") },
				"GenerateResident": func() error { return token.GenerateResident(ctx, "r", hsm.HMACSHA256) },
				"GenerateResidentPair": func() error {
					_, err := token.GenerateResidentPair(ctx, "pair", hsm.P256, hsm.Sign)
					return err
				},
				"DomainKeys": func() error {
					ids, err := token.DomainKeys(ctx)
					if err == nil && len(ids) == 0 {
						err = errors.New("none listed")
					}
					return err
				},
			}
			for method, call := range f.calls(token) {
				calls[method] = func() error { return call(ctx) }
			}
			for method, call := range calls {
				if err := harm(t, m, s.Info.Label); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if err := call(); err != nil {
					t.Errorf("%s after: %v", method, err)
				}
			}
			if err := token.CreateDomainKey(ctx, "domain-2"); !errors.Is(err, hsm.ErrExists) {
				t.Errorf("CreateDomainKey of a key made during recovery: %v", err)
			}
			for what, call := range map[string]func() (error, error){
				// Nobody logged in finds no private key: that must not count as "not there".
				"CreateDomainKey of a key that is there": func() (error, error) {
					return token.CreateDomainKey(ctx, domain), hsm.ErrExists
				},
				"DestroyResident of a key that is not": func() (error, error) {
					return token.DestroyResident(ctx, "nothing"), hsm.ErrNotFound
				},
			} {
				if err := harm(t, m, s.Info.Label); err != nil {
					t.Fatal(err)
				}
				if err, want := call(); !errors.Is(err, want) {
					t.Errorf("%s, after: %v, want %v", what, err, want)
				}
			}
			if err := harm(t, m, s.Info.Label); err != nil {
				t.Fatal(err)
			}
			if err := token.DestroyResident(ctx, "r"); err != nil {
				t.Errorf("DestroyResident after: %v", err)
			}
		})
	}
}

// TestHarmUnderLoad takes sessions and module away again and again while
// several callers use the token. It does so between calls: SoftHSM2 2.6.1
// crashes when its sessions are closed under a call.
func TestHarmUnderLoad(t *testing.T) {
	s := softhsm.Test(t)
	c := s.Config()
	c.MaxHandles = 4
	token, keys := opened(t, c, 12)
	m := under(t, c)
	l := startLoad(t, token, keys)
	for i := range 20 {
		l.calling.Lock()
		err := m.CloseAllSessions(slotOf(t, m, s.Info.Label))
		if i%3 == 0 {
			err = errors.Join(err, m.Finalize())
		}
		l.calling.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		l.wait(t, 50)
	}
	l.stop()
	if err := token.Check(t.Context(), domain); err != nil {
		t.Error(err)
	}
}

// load uses a token from several goroutines and allows no wrong answer, and no
// error but ErrUnavailable.
type load struct {
	calling       sync.RWMutex // held for reading by each call
	good, refused atomic.Int64
	stopping      chan struct{}
	workers       sync.WaitGroup
}

func startLoad(t *testing.T, token hsm.Token, keys []hsm.Key) *load {
	t.Helper()
	l := &load{stopping: make(chan struct{})}
	for i, k := range keys {
		want, err := token.MAC(t.Context(), k, message)
		if err != nil {
			t.Fatal(err)
		}
		l.workers.Go(func() {
			for {
				select {
				case <-l.stopping:
					return
				default:
				}
				l.calling.RLock()
				got, err := token.MAC(context.Background(), k, message)
				l.calling.RUnlock()
				switch {
				case errors.Is(err, hsm.ErrUnavailable) && !errors.Is(err, hsm.ErrNotFound):
					l.refused.Add(1)
					time.Sleep(time.Millisecond)
				case err != nil:
					t.Errorf("key %d: %v", i, err)
				case string(got) != string(want):
					t.Errorf("key %d: wrong MAC", i)
				default:
					l.good.Add(1)
				}
			}
		})
	}
	return l
}

// wait waits until n more calls have succeeded.
func (l *load) wait(t *testing.T, n int64) {
	t.Helper()
	until(t, "calls succeed", l.good.Load()+n, l.good.Load)
}

// until waits for a counter, long enough for any machine.
func until(t *testing.T, what string, goal int64, count func() int64) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); count() < goal; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: never", what)
		}
	}
}

func (l *load) stop() {
	close(l.stopping)
	l.workers.Wait()
}

// TestTokenAway takes the token's directory away under load and brings it back.
func TestTokenAway(t *testing.T) {
	s := softhsm.Test(t)
	token, keys := opened(t, s.Config(), 4)
	ctx := t.Context()
	l := startLoad(t, token, keys)
	defer l.stop()
	tokens := filepath.Join(s.Dir, "tokens")
	for round := range 3 {
		l.wait(t, 20)
		if err := os.Rename(tokens, tokens+".away"); err != nil {
			t.Fatal(err)
		}
		if err := token.Check(ctx, domain); !errors.Is(err, hsm.ErrUnavailable) {
			t.Errorf("Check while away: %v", err)
		}
		// From here on no key of the lost token may be in use.
		until(t, "calls are refused", l.refused.Load()+20, l.refused.Load)
		for name, err := range map[string]error{
			"CreateDomainKey": token.CreateDomainKey(ctx, domain),
			"Check":           token.Check(ctx, domain),
		} {
			if !errors.Is(err, hsm.ErrUnavailable) || errors.Is(err, hsm.ErrExists) || errors.Is(err, hsm.ErrNotFound) {
				t.Errorf("%s while away: %v", name, err)
			}
		}
		_, err := token.Generate(ctx, domain, hsm.HMACSHA256)
		if !errors.Is(err, hsm.ErrUnavailable) || errors.Is(err, hsm.ErrNotFound) {
			t.Errorf("Generate while away: %v", err)
		}
		if err := os.Rename(tokens+".away", tokens); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		l.wait(t, 20)
		if err := token.Check(ctx, domain); err != nil {
			t.Errorf("Check after the return: %v", err)
		}
		t.Logf("round %d: at work %v after the return", round, time.Since(back).Round(time.Millisecond))
	}
	if err := token.CreateDomainKey(ctx, domain); !errors.Is(err, hsm.ErrExists) {
		t.Errorf("CreateDomainKey after the return: %v", err)
	}
}

// TestLookupWhileAway: SoftHSM2 finds no objects, without an error, when its
// directory is gone. No answer may be made of that.
func TestLookupWhileAway(t *testing.T) {
	calls := map[string]func(*pkcs11.Token) error{
		"DomainKeys":       func(k *pkcs11.Token) error { _, err := k.DomainKeys(t.Context()); return err },
		"CreateDomainKey":  func(k *pkcs11.Token) error { return k.CreateDomainKey(t.Context(), domain) },
		"GenerateResident": func(k *pkcs11.Token) error { return k.GenerateResident(t.Context(), "r", hsm.HMACSHA256) },
		"DestroyResident":  func(k *pkcs11.Token) error { return k.DestroyResident(t.Context(), "r") },
		"MAC resident": func(k *pkcs11.Token) error {
			_, err := k.MAC(t.Context(), hsm.Key{Type: hsm.HMACSHA256, Resident: "r"}, nil)
			return err
		},
		"Generate": func(k *pkcs11.Token) error { _, err := k.Generate(t.Context(), domain, hsm.HMACSHA256); return err },
		"GeneratePair": func(k *pkcs11.Token) error {
			_, _, err := k.GeneratePair(t.Context(), domain, hsm.P256, hsm.Sign)
			return err
		},
		"GenerateResidentPair": func(k *pkcs11.Token) error {
			_, err := k.GenerateResidentPair(t.Context(), "r", hsm.P256, hsm.Sign)
			return err
		},
		"Sign resident": func(k *pkcs11.Token) error {
			_, err := k.Sign(t.Context(), hsm.Key{Type: hsm.P256, Use: hsm.Sign, Resident: "r"}, es256, message[:32])
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			s := softhsm.Test(t)
			token, _ := opened(t, s.Config(), 1)
			if err := token.GenerateResident(t.Context(), "r", hsm.HMACSHA256); err != nil {
				t.Fatal(err)
			}
			tokens := filepath.Join(s.Dir, "tokens")
			if err := os.Rename(tokens, tokens+".away"); err != nil {
				t.Fatal(err)
			}
			err := call(token)
			if !errors.Is(err, hsm.ErrUnavailable) || errors.Is(err, hsm.ErrNotFound) || errors.Is(err, hsm.ErrExists) {
				t.Errorf("while away: %v", err)
			}
			if err := os.Rename(tokens+".away", tokens); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
				if err = token.Check(t.Context(), domain); err == nil || time.Now().After(end) {
					break
				}
			}
			if err != nil {
				t.Errorf("after the return: %v", err)
			}
		})
	}
}

// TestTwoTokens: both tokens of one module are lost with it, and both return.
func TestTwoTokens(t *testing.T) {
	a := softhsm.Test(t)
	one, k1 := opened(t, a.Config(), 1)
	two, k2 := opened(t, softhsm.Test(t).Config(), 1)
	again, err := pkcs11.Open(t.Context(), a.Config())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	loads := []*load{startLoad(t, one, k1), startLoad(t, two, k2)}
	tokens := filepath.Join(a.Dir, "tokens")
	for range 2 {
		if err := os.Rename(tokens, tokens+".away"); err != nil {
			t.Fatal(err)
		}
		if err := one.Check(t.Context(), domain); !errors.Is(err, hsm.ErrUnavailable) {
			t.Errorf("Check while away: %v", err)
		}
		for _, l := range loads {
			until(t, "calls are refused", l.refused.Load()+5, l.refused.Load)
		}
		if err := os.Rename(tokens+".away", tokens); err != nil {
			t.Fatal(err)
		}
		for _, l := range loads {
			l.wait(t, 20)
		}
	}
	for _, l := range loads {
		l.stop()
	}
}
