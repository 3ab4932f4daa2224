package iam_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/store/bolt"
)

const account = "111122223333"

// A fixture is a service on a real store. When the test ends, its records are
// checked.
type fixture struct {
	*iam.Service
	db  store.DB
	now time.Time
	t   testing.TB
}

func start(t testing.TB) *fixture {
	t.Helper()
	db, err := bolt.Create(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{db: db, now: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC), t: t}
	f.Service = iam.New(iam.Config{Account: account, DB: db, Sealer: sealer{}, Clock: func() time.Time { return f.now }})
	t.Cleanup(func() {
		f.view(func(tx iam.Tx) error {
			for _, problem := range iam.Fsck(tx) {
				t.Errorf("fsck: %s", problem)
			}
			return nil
		})
		f.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	k, err := f.SealRootKey(t.Context(), iam.NewCredentials())
	f.must(err)
	f.do(func(tx iam.Tx) error { return f.PutRootKey(tx, k) })
	return f
}

// sealer keeps secrets beside their purpose: enough to see that one is not opened
// for another.
type sealer struct{}

func (sealer) Seal(_ context.Context, purpose string, secret []byte) ([]byte, error) {
	return append([]byte(purpose+"\x00"), secret...), nil
}

func (sealer) Unseal(_ context.Context, purpose string, sealed []byte) ([]byte, error) {
	secret, ok := bytes.CutPrefix(sealed, []byte(purpose+"\x00"))
	if !ok {
		return nil, errors.New("sealed for another purpose")
	}
	return bytes.Clone(secret), nil
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) view(fn func(iam.Tx) error) {
	f.t.Helper()
	f.must(f.db.View(context.Background(), fn))
}

// do makes a change that must succeed.
func (f *fixture) do(fn func(iam.Tx) error) {
	f.t.Helper()
	f.must(f.try(fn))
}

func (f *fixture) try(fn func(iam.Tx) error) error { return f.db.Update(context.Background(), fn) }

// refused makes a change that must be refused in these words.
func (f *fixture) refused(code, message string, fn func(iam.Tx) error) {
	f.t.Helper()
	err := f.try(fn)
	var refusal *iam.Error
	if !errors.As(err, &refusal) || refusal.Code != code || refusal.Message != message {
		f.t.Errorf("got  %v\nwant %s: %s", err, code, message)
	}
}

func (f *fixture) user(name string, tags ...iam.Tag) *iam.User {
	f.t.Helper()
	var u *iam.User
	f.do(func(tx iam.Tx) (err error) {
		u, err = f.CreateUser(tx, iam.NewUser{Name: name, Tags: tags})
		return err
	})
	return u
}

func (f *fixture) group(name string) *iam.Group {
	f.t.Helper()
	var g *iam.Group
	f.do(func(tx iam.Tx) (err error) {
		g, err = f.CreateGroup(tx, name, "")
		return err
	})
	return g
}

// key gives a user an access key.
func (f *fixture) key(user string) iam.Credentials {
	f.t.Helper()
	c := iam.NewCredentials()
	k, err := f.SealKey(f.t.Context(), c)
	f.must(err)
	f.do(func(tx iam.Tx) error { return f.CreateAccessKey(tx, user, k) })
	return c
}

func number(i int) string { return strconv.Itoa(i) }
