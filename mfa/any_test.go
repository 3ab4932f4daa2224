package mfa_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/store"
)

var codes = []string{mfa.TypeTOTP, mfa.TypeHOTP, mfa.TypeRecovery}

// any is VerifyAny with what comes of it.
func (f *fixture) any(owner, code string, accept ...string) (mfa.Proof, error) {
	if accept == nil {
		accept = codes
	}
	return f.VerifyAny(f.t.Context(), owner, code, accept)
}

// TestAnyDevice: a code of whichever device, that is spent then, and one failure at
// all that it might have been of.
func TestAnyDevice(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	bob, _ := f.kit.UserWithKey("bob")
	phone, fob := f.device("phone"), f.make(mfa.NewDevice{Name: "fob", Type: mfa.TypeHOTP, OATH: mfa.OATH{Digits: 8}})
	phone.enable(ann.ID)
	p := must(f.Prove(t.Context(), "", fob.serial, fob.code(0), fob.code(1)))(t)
	f.do(func(tx mfa.Tx) error { return f.Enable(tx, ann.ID, fob.serial, p) })
	other := f.device("other")
	other.enable(bob.ID)
	f.tick(5)

	for _, c := range []struct {
		d    device
		code string
	}{{phone, phone.code(0)}, {fob, fob.code(2)}} {
		got, err := f.any(ann.ID, c.code)
		if want := (mfa.Proof{Serial: c.d.serial, Type: c.d.kind, At: f.now}); err != nil || got != want {
			t.Errorf("%+v %v, want %+v", got, err, want)
		}
		if _, err := f.any(ann.ID, c.code); !errors.Is(err, mfa.ErrCode) {
			t.Errorf("a second time: %v", err)
		}
		f.tick(10)
	}
	for _, no := range []struct{ owner, code, accept string }{
		{ann.ID, phone.code(0), mfa.TypeHOTP}, {ann.ID, other.code(0), mfa.TypeTOTP}, {"", phone.code(0), mfa.TypeTOTP},
		{"AIDAAAAAAAAAAAAAAAAAA", phone.code(0), mfa.TypeTOTP}, {ann.ID, "abcdef", mfa.TypeTOTP}, {ann.ID, "", mfa.TypeTOTP},
		{ann.ID, phone.code(0), mfa.TypePIV},
	} {
		if got, err := f.any(no.owner, no.code, no.accept); !errors.Is(err, mfa.ErrCode) || got != (mfa.Proof{}) {
			t.Errorf("%v: %+v %v", no, got, err)
		}
	}
	status := f.status(ann.ID)
	for _, d := range status.Devices {
		if want := map[string]int{phone.serial: 2, fob.serial: 1}[d.Serial()]; d.Failures.Count != want {
			t.Errorf("%s: %d failures, want %d", d.Serial(), d.Failures.Count, want)
		}
	}
}

// TestAnyForgets: a typo counts at each device that it might have been of, and the
// right code that follows clears it at all of them; so years of typos lock nothing.
func TestAnyForgets(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	phone, backup := f.device("phone"), f.device("backup")
	phone.enable(ann.ID)
	backup.enable(ann.ID)
	for range 2 * mfa.LockFailures {
		f.tick(5)
		typo := f.typo(phone, backup)
		if _, err := f.any(ann.ID, typo); !errors.Is(err, mfa.ErrCode) {
			t.Fatal(err)
		}
		for _, d := range f.status(ann.ID).Devices {
			if d.Failures.Count != 1 {
				t.Errorf("%s: %d failures", d.Serial(), d.Failures.Count)
			}
		}
		if _, err := f.any(ann.ID, phone.code(0)); err != nil {
			t.Fatal(err)
		}
		status := f.status(ann.ID)
		for _, d := range status.Devices {
			if d.Failures.Count+status.Failures != 0 {
				t.Errorf("%s: %d failures, %d of the user", d.Serial(), d.Failures.Count, status.Failures)
			}
		}
	}
	if _, err := f.any(ann.ID, backup.code(0)); err != nil {
		t.Errorf("the backup device: %v", err)
	}
}

// typo is a code that neither device shows near now.
func (f *fixture) typo(a, b device) string {
	for n := range 1_000_000 {
		code := fmt.Sprintf("%06d", n)
		shown := func(d device) bool {
			return slices.ContainsFunc([]int{-2, -1, 0, 1, 2}, func(step int) bool { return d.code(step) == code })
		}
		if !shown(a) && !shown(b) {
			return code
		}
	}
	panic("two devices show all codes")
}

func (f *fixture) status(owner string) (status mfa.Status) {
	f.t.Helper()
	if err := f.kit.DB.View(f.t.Context(), func(tx store.Tx) (err error) {
		status, err = f.Describe(tx, owner)
		return err
	}); err != nil {
		f.t.Fatal(err)
	}
	return status
}

// work counts what an answer costs.
type work struct {
	mfa.Seeds
	store.DB
	macs, writes atomic.Int64
}

func (w *work) SeedMAC(ctx context.Context, hash crypto.Hash, domain string, wrapped, data []byte) ([]byte, error) {
	w.macs.Add(1)
	return w.Seeds.SeedMAC(ctx, hash, domain, wrapped, data)
}

// Update counts commits that write something.
func (w *work) Update(ctx context.Context, fn func(store.Tx) error) error {
	return w.DB.Update(ctx, func(tx store.Tx) error { return fn(&writing{tx, w}) })
}

type writing struct {
	store.Tx
	w *work
}

func (t *writing) Put(key string, value []byte) error {
	t.w.writes.Add(1)
	return t.Tx.Put(key, value)
}

// TestSameWork: who is nobody, who has no device, who gives a wrong code and whose
// tries come too early take the same work in the token, and a durable write each.
func TestSameWork(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	bare, _ := f.kit.UserWithKey("bare")
	d := f.device("phone")
	d.enable(ann.ID)
	f.tick(5)
	if _, err := f.any("", "123456"); !errors.Is(err, mfa.ErrCode) { // makes the stand-in
		t.Fatal(err)
	}
	w := &work{Seeds: f.kit.Service, DB: f.kit.DB}
	cfg := f.Config
	cfg.DB, cfg.Seeds = w, w
	counted := mfa.New(cfg)
	wrong := d.wrong()
	for _, c := range []struct{ name, owner string }{
		{"nobody", ""}, {"no such user", "AIDAAAAAAAAAAAAAAAAAA"}, {"no device", bare.ID},
		{"wrong", ann.ID}, {"wrong", ann.ID}, {"wrong", ann.ID}, {"too early", ann.ID},
	} {
		w.macs.Store(0)
		w.writes.Store(0)
		_, err := counted.VerifyAny(t.Context(), c.owner, wrong, codes)
		if errors.As(err, new(*mfa.BlockedError)) != (c.name == "too early") || err == nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if w.macs.Load() != 3 || w.writes.Load() == 0 {
			t.Errorf("%s: %d MACs and %d writes", c.name, w.macs.Load(), w.writes.Load())
		}
	}
	const recovery = "AAAA-BBBB-CCCC-DDDD"
	f.recoveryCodes(ann.ID)
	for _, owner := range []string{"", bare.ID, ann.ID, ann.ID, ann.ID, ann.ID} {
		w.writes.Store(0)
		if _, err := counted.VerifyAny(t.Context(), owner, recovery, codes); err == nil || w.writes.Load() == 0 {
			t.Errorf("recovery code of %q: %v, %d writes", owner, err, w.writes.Load())
		}
	}
}

// TestMethods: who has nothing looks like who has a TOTP device.
func TestMethods(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	methods := func(owner string) string {
		var types []string
		if err := f.kit.DB.View(t.Context(), func(tx store.Tx) (err error) {
			types, _, err = f.MethodsOf(tx, owner)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(types)
		return strings.Join(types, " ")
	}
	for _, owner := range []string{"", ann.ID, "AIDAAAAAAAAAAAAAAAAAA"} {
		if got := methods(owner); got != "TOTP" {
			t.Errorf("%q: %s", owner, got)
		}
	}
	f.recoveryCodes(ann.ID)
	if got := methods(ann.ID); got != "RECOVERY" {
		t.Error(got)
	}
	fob := f.make(mfa.NewDevice{Name: "fob", Type: mfa.TypeHOTP})
	p := must(f.Prove(t.Context(), "", fob.serial, fob.code(0), fob.code(1)))(t)
	f.do(func(tx mfa.Tx) error { return f.Enable(tx, ann.ID, fob.serial, p) })
	f.device("phone").enable(ann.ID)
	if got := methods(ann.ID); got != "HOTP RECOVERY TOTP" {
		t.Error(got)
	}
}

// TestAnyGuesses: ten thousand guesses at once, half of them recovery codes: as many
// as may be are looked at of each, and kill nothing of what the user can do.
func TestAnyGuesses(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	d := f.device("phone")
	d.enable(ann.ID)
	r := f.recoveryCodes(ann.ID)
	f.tick(5)
	var n atomic.Int64
	looked, blocked := f.many(10_000, func() error {
		code := d.wrong()
		if n.Add(1)%2 == 0 {
			code = "AAAA-BBBB-CCCC-DDDD"
		}
		_, err := f.VerifyAny(t.Context(), ann.ID, code, codes)
		return err
	})
	if looked != 2*mfa.FreeFailures || looked+blocked != 10_000 {
		t.Errorf("%d guesses looked at, %d refused", looked, blocked)
	}
	f.restart()
	if s := f.status(ann.ID); s.Failures != mfa.FreeFailures || s.Locked {
		t.Errorf("%+v", s)
	}
	f.now = f.now.Add(time.Second)
	if _, err := f.any(ann.ID, r[3]); err != nil {
		t.Error(err)
	}
}
