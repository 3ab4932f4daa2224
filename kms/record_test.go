package kms_test

import (
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/policy"
	"github.com/keyd-hsm/keyd/store"
)

// TestDefaultPolicyRecord: a record leaves the default key policy out and gives it
// back; it keeps every other one, also after the default one and before it.
func TestDefaultPolicyRecord(t *testing.T) {
	s, db := newService(t)
	k := makeKey(t, s, db, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
	other := strings.Replace(s.DefaultPolicy(), "key-default-1", "mine", 1)
	for _, want := range []string{s.DefaultPolicy(), other, s.DefaultPolicy()} {
		var record string
		err := db.Update(t.Context(), func(tx store.Tx) error {
			now, err := s.KeyByID(t.Context(), tx, "eu-1", k.ID)
			if err == nil {
				_, err = s.PutKeyPolicy(tx, now, want)
			}
			if err != nil {
				return err
			}
			b, err := tx.Get("kms/key/eu-1/" + k.ID)
			record = string(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if kept := strings.Contains(record, "Statement"); kept != (want != s.DefaultPolicy()) {
			t.Errorf("policy %q: the record is %s", want, record)
		}
		got, err := s.KeyByID(t.Context(), nil, "eu-1", k.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Policy != want || got.CompiledPolicy() == nil {
			t.Errorf("policy %q came back as %q", want, got.Policy)
		}
	}
	err := db.View(t.Context(), func(tx store.Tx) error {
		if problems := kms.Fsck(tx); len(problems) > 0 {
			t.Errorf("fsck: %v", problems)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(policy.DefaultKeyPolicy(s.Account())); got != s.DefaultPolicy() {
		t.Errorf("default policy %q, want %q", s.DefaultPolicy(), got)
	}
}
