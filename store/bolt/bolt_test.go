package bolt_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/store/bolt"
	"github.com/keyd-hsm/keyd/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a fresh state file; each DB opened on it checks itself when it is closed.
func place(t testing.TB) func() store.DB {
	path := filepath.Join(t.TempDir(), "state.db")
	return func() store.DB {
		db, err := bolt.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			db, err = bolt.Create(path)
		}
		if err != nil {
			t.Fatal(err)
		}
		return checked{db, t}
	}
}

type checked struct {
	*bolt.DB
	t testing.TB
}

func (c checked) Close() error {
	if err := c.Check(context.Background()); err != nil && !errors.Is(err, bolt.ErrClosed) {
		c.t.Errorf("check at close: %v", err)
	}
	return c.DB.Close()
}

func TestContract(t *testing.T) { storetest.Run(t, place) }

func TestModel(t *testing.T) { storetest.RunModel(t, place) }

func create(t *testing.T) (*bolt.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := bolt.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, path
}

func put(t *testing.T, db *bolt.DB, key, value string) {
	t.Helper()
	err := db.Update(context.Background(), func(tx store.Tx) error { return tx.Put(key, []byte(value)) })
	if err != nil {
		t.Fatal(err)
	}
}

func TestCreateRefusesToOverwrite(t *testing.T) {
	db, path := create(t)
	put(t, db, "a", "1")
	if _, err := bolt.Create(path); !errors.Is(err, bolt.ErrExists) {
		t.Fatalf("create over an open file: %v", err)
	}
	db.Close()
	if _, err := bolt.Create(path); !errors.Is(err, bolt.ErrExists) {
		t.Fatalf("create over a file: %v", err)
	}
	// What a crash in Create leaves does not stop the next one.
	fresh := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(fresh+".new", []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Create(fresh)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := os.Stat(fresh + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("leftover: %v", err)
	}
	if info, err := os.Stat(fresh); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
}

func TestOpenRefusesToInvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if _, err := bolt.Open(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("missing file: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("open made a file: %v", err)
	}
	for name, content := range map[string][]byte{"empty": nil, "text": []byte("hello"), "zeros": make([]byte, 32<<10)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := bolt.Open(path); !errors.Is(err, bolt.ErrDamaged) {
			t.Errorf("%s file: %v", name, err)
		}
		if got, _ := os.ReadFile(path); len(got) != len(content) {
			t.Errorf("%s file was written to", name)
		}
	}
}

func TestOpenRefusesForeignFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	foreign, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign.Close()
	if _, err := bolt.Open(path); !errors.Is(err, bolt.ErrDamaged) {
		t.Errorf("file of another program: %v", err)
	}
	foreign, err = bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = foreign.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("keyd"))
		if err != nil {
			return err
		}
		_, err = tx.CreateBucket([]byte("state"))
		return errors.Join(err, b.Put([]byte("format"), []byte("keyd-state/2")))
	})
	if err := errors.Join(err, foreign.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(path); !errors.Is(err, bolt.ErrDamaged) {
		t.Errorf("file of a later keyd: %v", err)
	}
}

func TestLocked(t *testing.T) {
	db, path := create(t)
	start := time.Now()
	if _, err := bolt.Open(path); !errors.Is(err, bolt.ErrLocked) {
		t.Fatalf("second open: %v", err)
	}
	t.Logf("refused after %v", time.Since(start))
	put(t, db, "a", "1") // the first is unharmed
	db.Close()
	again, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// TestTruncated cuts the file at every page: an error each time, never a crash.
func TestTruncated(t *testing.T) {
	db, path := create(t)
	for i := range 30 {
		put(t, db, string(rune('a'+i)), string(make([]byte, 3000)))
	}
	db.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.db")
	page, refused := os.Getpagesize(), 0
	for n := 0; n < len(whole); n += page {
		if err := os.WriteFile(cut, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := bolt.Open(cut)
		if err == nil {
			// Only space beyond what was ever used may be missing.
			err = errors.Join(db.Check(context.Background()), db.Close())
			if err != nil {
				t.Errorf("cut at %d: opened, then %v", n, err)
			}
			continue
		}
		refused++
		if !errors.Is(err, bolt.ErrDamaged) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	if refused < 30 {
		t.Errorf("only %d cuts were refused", refused)
	}
}

// TestCheckFindsDamage overwrites one page after the other with garbage: each
// page that is in use must be missed at Open or by Check.
func TestCheckFindsDamage(t *testing.T) {
	db, path := create(t)
	for i := range 200 {
		put(t, db, "key/"+string(rune('a'+i%26))+string(rune('a'+i/26)), string(make([]byte, 200)))
	}
	stats, err := db.Stats()
	if err != nil || stats.FileBytes < 200*200 || stats.FreeBytes >= stats.FileBytes {
		t.Errorf("stats %+v, %v", stats, err)
	}
	if err := db.Check(context.Background()); err != nil {
		t.Fatalf("undamaged: %v", err)
	}
	db.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.db")
	page, found := os.Getpagesize(), 0
	for off := 0; off < len(whole); off += page {
		b := append([]byte(nil), whole...)
		for i := range page {
			b[off+i] = 0xA5
		}
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := bolt.Open(bad)
		if err == nil {
			err = db.Check(context.Background())
			db.Close()
		}
		if err != nil {
			found++
		}
		if err != nil && !errors.Is(err, bolt.ErrDamaged) {
			t.Errorf("page at %d: %v", off, err)
		}
	}
	if found < 10 {
		t.Errorf("only %d damaged pages were found", found)
	}
}
