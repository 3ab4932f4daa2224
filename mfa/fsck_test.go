package mfa_test

import (
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/store"
)

// TestFsck: a store that was worked with is in order, and damage is found.
func TestFsck(t *testing.T) {
	f := start(t)
	ann, _ := f.kit.UserWithKey("ann")
	d := f.device("phone")
	d.enable(ann.ID)
	f.make(mfa.NewDevice{Name: "fob", Type: mfa.TypeHOTP})
	f.recoveryCodes(ann.ID)
	f.tick(3)
	d.wants(mfa.ErrCode, ann.ID, d.wrong())
	if _, err := f.any("", "000000"); err == nil {
		t.Fatal("nobody got in")
	}
	check := func() (problems []string) {
		if err := f.kit.DB.View(t.Context(), func(tx store.Tx) error { problems = mfa.Fsck(tx); return nil }); err != nil {
			t.Fatal(err)
		}
		return problems
	}
	if p := check(); len(p) > 0 {
		t.Errorf("%q", p)
	}
	for _, c := range []struct{ path, value string }{
		{"mfa/recovery/" + ann.ID, `{"v":1}`}, {"mfa/recovery/" + ann.ID, `{`}, {"mfa/recovery/" + ann.ID, `{"v":1,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","hashes":["AA=="]}`},
		{"mfa/recovery/AIDAAAAAAAAAAAAAAAAAA", `{"v":1,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","hashes":[]}`},
		{"mfa/stand-in", `{}`}, {"mfa/stand-in", `x`},
		{"mfa/device/fob", `{"v":1,"name":"fob","path":"/","type":"HOTP","wrapped":"AA==","oath":{"digits":7,"algorithm":"SHA1"}}`},
		{"mfa/device/fob", `{"v":1,"name":"fob","path":"/","type":"HOTP","oath":{"digits":6,"algorithm":"SHA1"}}`},
		{"mfa/device/fob", `{"v":1,"name":"fob","path":"/","type":"PIV"}`}, {"mfa/device/fob", `{"v":1,"name":"fob","path":"/","type":"X","wrapped":"AA=="}`},
		{"mfa/failures/AIDAAAAAAAAAAAAAAAAAA", `{"n":1}`},
	} {
		var old []byte
		f.do(func(tx mfa.Tx) error {
			b, err := tx.Get(c.path)
			if err == nil {
				old = append([]byte(nil), b...)
			}
			return tx.Put(c.path, []byte(c.value))
		})
		if p := check(); len(p) != 1 || !strings.Contains(p[0], c.path) {
			t.Errorf("%s %s: %q", c.path, c.value, p)
		}
		f.do(func(tx mfa.Tx) error {
			if old == nil {
				return tx.Delete(c.path)
			}
			return tx.Put(c.path, old)
		})
	}
}
