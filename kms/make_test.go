package kms_test

import (
	"crypto/rand"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/softhsm"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/store/bolt"
)

// newService is a service on a SoftHSM2 token and a disk of its own.
func newService(t testing.TB) (*kms.Service, *bolt.DB) {
	t.Helper()
	token, err := pkcs11.Open(t.Context(), softhsm.Test(t).Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = token.Close() })
	db, err := bolt.Create(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	cfg := kms.Config{Account: "111122223333", Token: token, DB: db, Clock: time.Now, Random: rand.Reader, RSAPool: 1}
	if err := kms.Create(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	s, err := kms.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, db
}

// makeKey makes a key and stores it.
func makeKey(t testing.TB, s *kms.Service, db *bolt.DB, spec, usage string) *kms.Key {
	t.Helper()
	draft, err := s.Draft(kms.NewKey{Region: "eu-1", Spec: spec, Usage: usage, Policy: s.DefaultPolicy()})
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.MakeKey(t.Context(), draft)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx store.Tx) error { return s.CreateKey(tx, k) }); err != nil {
		t.Fatal(err)
	}
	return k
}

// TestFsckKeys: what Fsck says of records of keys that were damaged.
func TestFsckKeys(t *testing.T) {
	s, db := newService(t)
	k := makeKey(t, s, db, "ECC_NIST_P256", kms.SignVerify)
	resident := makeKey(t, s, db, "ECC_NIST_EDWARDS25519", kms.SignVerify)
	if err := s.AddToPool(t.Context()); err != nil {
		t.Fatal(err)
	}
	key, material := "kms/key/eu-1/"+k.ID, "kms/material/"+k.ID+"/0000000001"
	for name, damage := range map[string]struct {
		path    string
		member  string // replaced, or the record made of nothing else
		value   any
		problem string
	}{
		"sound":                  {key, "description", "d", ""},
		"unmade index":           {"kms/unmade/eu-1/" + k.ID, "v", 1, "no such key is being made"},
		"nobody makes it":        {key, "state", "Creating", "nobody is making it"},
		"state without material": {key, "current", 0, "state Enabled and backing key 0 disagree"},
		"usage of another spec":  {key, "usage", "ENCRYPT_DECRYPT", "no key of spec ECC_NIST_P256 has usage ENCRYPT_DECRYPT"},
		"no public key":          {material, "public", nil, "public key is malformed"},
		"public key of another":  {material, "public", resident.PublicKey(), "public key is malformed"},
		"both places":            {material, "resident", "x.1", "incomplete"},
		"neither place":          {material, "wrapped", nil, "incomplete"},
		"doomed but used":        {"kms/doomed/" + resident.ID + ".1", "resident", resident.ID + ".1", "names the material of a key"},
		"pooled without key":     {"kms/pool/RSA_2048/00", "v", 1, "incomplete"},
		"pooled of another size": {"kms/pool/RSA_3072/00", "pooled", "RSA_2048", "public key is malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			damaged(t, db, damage.path, damage.member, damage.value, func(problems []string) {
				if (len(problems) > 0) != (damage.problem != "") || !strings.Contains(strings.Join(problems, "\n"), damage.problem) {
					t.Errorf("%q, want %q", problems, damage.problem)
				}
			})
		})
	}
}

// damaged calls f with what Fsck says while a record has another member.
func damaged(t *testing.T, db *bolt.DB, path, member string, value any, f func([]string)) {
	t.Helper()
	undo := &rollback{}
	err := db.Update(t.Context(), func(tx store.Tx) error {
		record := make(map[string]any)
		from := path
		if member == "pooled" { // a copy of a pair that is there
			for from = range tx.Scan("kms/pool/"+value.(string)+"/", "") {
				break
			}
		}
		if old, err := tx.Get(from); err == nil {
			if err := json.Unmarshal(old, &record); err != nil {
				return err
			}
		}
		record[member] = value
		changed, err := json.Marshal(record)
		if err != nil {
			return err
		}
		if err := tx.Put(path, changed); err != nil {
			return err
		}
		f(kms.Fsck(tx))
		return undo
	})
	if err != error(undo) {
		t.Fatal(err)
	}
}

// rollback ends a transaction that is to leave nothing.
type rollback struct{}

func (*rollback) Error() string { return "rolled back" }
