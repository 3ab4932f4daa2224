package mfa_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/store"
)

func (f *fixture) recoveryCodes(owner string) (r mfa.RecoveryCodes) {
	f.t.Helper()
	f.do(func(tx mfa.Tx) (err error) { r, err = f.CreateRecoveryCodes(tx, owner); return err })
	return r
}

// TestRecoveryCodes: each is good once, as people write it, until there are new ones.
func TestRecoveryCodes(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	bob, _ := f.kit.UserWithKey("bob")
	codes := f.recoveryCodes(ann.ID)
	seen := map[string]bool{}
	for _, c := range codes {
		if !regexp.MustCompile(`^([A-Z2-7]{4}-){3}[A-Z2-7]{4}$`).MatchString(c) || seen[c] {
			t.Error(c)
		}
		seen[c] = true
	}
	if len(codes) != 10 {
		t.Errorf("%d codes", len(codes))
	}
	if s := fmt.Sprintf("%v %+v %#v %s", codes, codes, codes, codes); strings.Contains(s, codes[0]) {
		t.Error(s)
	}
	if err := f.kit.DB.View(t.Context(), func(tx store.Tx) error {
		for path, value := range tx.Scan("mfa/", "") {
			for _, c := range codes {
				if strings.Contains(string(value), c) || strings.Contains(string(value), strings.ReplaceAll(c, "-", "")) {
					t.Errorf("record %s holds a code", path)
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i, c := range []string{codes[4], strings.ToLower(codes[0]), strings.ReplaceAll(codes[9], "-", ""), strings.ReplaceAll(codes[1], "-", " ")} {
		if _, err := f.any(bob.ID, c); !errors.Is(err, mfa.ErrCode) {
			t.Errorf("another's: %v", err)
		}
		if _, err := f.any(ann.ID, c, mfa.TypeTOTP); !errors.Is(err, mfa.ErrCode) {
			t.Errorf("where it is not accepted: %v", err)
		}
		p, err := f.any(ann.ID, c)
		if want := (mfa.Proof{Type: mfa.TypeRecovery, At: f.now}); err != nil || p != want {
			t.Errorf("%+v %v", p, err)
		}
		f.restart()
		if _, err := f.any(ann.ID, c); !errors.Is(err, mfa.ErrCode) {
			t.Errorf("a second time: %v", err)
		}
		if left := f.status(ann.ID).RecoveryCodesLeft; left != 9-i {
			t.Errorf("%d left", left)
		}
	}
	again := f.recoveryCodes(ann.ID)
	if _, err := f.any(ann.ID, codes[5]); !errors.Is(err, mfa.ErrCode) {
		t.Errorf("an old one: %v", err)
	}
	if _, err := f.any(ann.ID, again[5]); err != nil {
		t.Error(err)
	}
	var through atomic.Int64
	f.many(50, func() error {
		_, err := f.any(ann.ID, again[6])
		if err == nil {
			through.Add(1)
			return mfa.ErrCode
		}
		return err
	})
	if through.Load() != 1 {
		t.Errorf("one code let %d through", through.Load())
	}
}

// TestRecoveryUnlocks: a locked user gets in by a recovery code, and is not locked
// then. Guesses at codes lock nothing, slow each other down by half a minute at
// most, and do not keep the user out, however fast they come.
func TestRecoveryUnlocks(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	d := f.device("phone")
	d.enable(ann.ID)
	codes := f.recoveryCodes(ann.ID)
	f.lock(d, ann.ID)
	for range 50 {
		if _, err := f.any(ann.ID, "AAAA-AAAA-AAAA-AAAA"); !errors.Is(err, mfa.ErrCode) {
			t.Fatal(err)
		}
		f.now = f.now.Add(mfa.MaxRecoveryDelay)
	}
	if _, err := f.any(ann.ID, "AAAA-AAAA-AAAA-AAAA"); !errors.Is(err, mfa.ErrCode) {
		t.Fatal(err)
	}
	var b *mfa.BlockedError
	if _, err := f.any(ann.ID, "AAAA-AAAA-AAAA-AAAA"); !errors.As(err, &b) || b.Locked || b.Wait != mfa.MaxRecoveryDelay {
		t.Errorf("too early: %v", err)
	}
	if !f.status(ann.ID).Locked {
		t.Error("not locked")
	}
	if _, err := f.any(ann.ID, codes[0]); err != nil {
		t.Fatal(err)
	}
	d.wants(nil, ann.ID, d.code(0))
	f.lock(d, ann.ID)
	f.do(func(tx mfa.Tx) error { return f.Unlock(tx, ann.ID) })
	if s := f.status(ann.ID); s.Locked || s.Failures != 0 || s.Devices[0].Locked() {
		t.Errorf("%+v", s)
	}
	d.wants(nil, ann.ID, d.code(0))
	f.do(func(tx mfa.Tx) error { return f.Unlock(tx, ann.ID) }) // nothing to forget
}

// lock gives wrong codes until no more are looked at.
func (f *fixture) lock(d device, owner string) {
	f.t.Helper()
	for range mfa.LockFailures {
		f.now = f.now.Add(2 * time.Hour)
		d.wants(mfa.ErrCode, owner, d.wrong())
	}
	f.now = f.now.Add(2 * time.Hour)
	var b *mfa.BlockedError
	if _, err := f.Verify(f.t.Context(), owner, d.serial, d.code(0)); !errors.As(err, &b) || !b.Locked {
		f.t.Errorf("locked: %v", err)
	}
	if s := f.status(owner); !s.Locked || !s.Devices[0].Locked() || s.Failures != mfa.LockFailures {
		f.t.Errorf("%+v", s)
	}
}

// TestGone: nothing is left of a user that is deleted.
func TestGone(t *testing.T) {
	f := start(t)
	f.recoveryCodes(f.Account)
	f.do(func(tx mfa.Tx) error { return f.Gone(tx, f.Account) })
	if left := f.status(f.Account).RecoveryCodesLeft; left != 0 {
		t.Errorf("%d codes left", left)
	}
}

// FuzzRecovery: whatever is sent, what is taken for a recovery code is one, in the
// one form that is stored.
func FuzzRecovery(f *testing.F) {
	for _, seed := range []string{"ABCD-EFGH-IJKL-MN27", "abcdefghijklmn27", "ABCD EFGH IJKL MN27", "123456", "ABCD-EFGH-IJKL-MN18", strings.Repeat("-", 99), ""} {
		f.Add(seed)
	}
	form := regexp.MustCompile(`^[A-Z2-7]{16}$`)
	f.Fuzz(func(t *testing.T, text string) {
		plain, ok := mfa.IsRecovery(text)
		if !ok {
			return
		}
		if again, same := mfa.IsRecovery(plain); !form.MatchString(plain) || !same || again != plain {
			t.Errorf("%q is taken for %q", text, plain)
		}
	})
}
