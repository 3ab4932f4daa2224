package iam_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/iam"
)

func TestAccessKeys(t *testing.T) {
	f := start(t)
	bob := f.user("bob")
	f.user("eve")
	first, second := f.key("bob"), f.key("Bob")
	if len(first.ID) != 20 || len(first.Secret) != 40 || first.ID == second.ID {
		t.Errorf("%d %d", len(first.ID), len(first.Secret))
	}
	third, err := f.SealKey(t.Context(), iam.NewCredentials())
	f.must(err)
	f.refused("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", func(tx iam.Tx) error {
		return f.CreateAccessKey(tx, "bob", third)
	})
	f.refused("NoSuchEntity", "The user with name ghost cannot be found.", func(tx iam.Tx) error {
		return f.CreateAccessKey(tx, "ghost", third)
	})

	k, err := f.AccessKey(t.Context(), first.ID)
	f.must(err)
	secret, err := f.Secret(t.Context(), k)
	if err != nil || iam.Secret(secret) != first.Secret || k.Owner != bob.ID || !k.Active {
		t.Errorf("%+v %v", k, err)
	}

	// Somebody else's key is not there.
	missing := "The Access Key with id " + first.ID + " cannot be found."
	f.refused("NoSuchEntity", missing, func(tx iam.Tx) error { return f.SetKeyActive(tx, "eve", first.ID, false) })
	f.refused("NoSuchEntity", missing, func(tx iam.Tx) error { return f.DeleteAccessKey(tx, "", first.ID) })
	f.refused("NoSuchEntity", "The Access Key with id ../x cannot be found.", func(tx iam.Tx) error { return f.DeleteAccessKey(tx, "bob", "../x") })

	f.do(func(tx iam.Tx) error { return f.SetKeyActive(tx, "bob", first.ID, false) })
	if k, err := f.AccessKey(t.Context(), first.ID); err != nil || k.Active {
		t.Errorf("still active: %v", err)
	}
	f.do(func(tx iam.Tx) error { return f.DeleteAccessKey(tx, "bob", first.ID) })
	if _, err := f.AccessKey(t.Context(), first.ID); !errors.Is(err, iam.ErrNoAccessKey) {
		t.Errorf("deleted key: %v", err)
	}
	f.do(func(tx iam.Tx) error { return f.CreateAccessKey(tx, "bob", third) })
}

// TestRootKeys: the root user has access keys as others have, and may be left
// without.
func TestRootKeys(t *testing.T) {
	f := start(t)
	made, err := f.RootCredentials(t.Context())
	f.must(err)
	more := f.key("")
	k, err := f.AccessKey(t.Context(), more.ID)
	f.must(err)
	if p, err := f.Owner(t.Context(), k); err != nil || !p.IsRoot() {
		t.Errorf("%+v %v", p, err)
	}
	third, err := f.SealKey(t.Context(), iam.NewCredentials())
	f.must(err)
	f.refused("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", func(tx iam.Tx) error {
		return f.CreateAccessKey(tx, "", third)
	})
	f.do(func(tx iam.Tx) error { return f.DeleteAccessKey(tx, "", made.ID) })
	if _, err := f.RootCredentials(t.Context()); !errors.Is(err, iam.ErrNoAccessKey) {
		t.Errorf("first key: %v", err)
	}
}

// TestOwner: who a key belongs to is looked up at each use, by unique id.
func TestOwner(t *testing.T) {
	f := start(t)
	f.user("bob")
	c := f.key("bob")
	k, err := f.AccessKey(t.Context(), c.ID)
	f.must(err)
	f.do(func(tx iam.Tx) error { return f.TagUser(tx, "bob", []iam.Tag{{Key: "dept", Value: "ops"}}) })
	if p, err := f.Owner(t.Context(), k); err != nil || p.Tags["dept"] != "ops" {
		t.Errorf("%+v %v", p, err)
	}
	f.do(func(tx iam.Tx) error {
		return errors.Join(f.DeleteAccessKey(tx, "bob", c.ID), f.DeleteUser(tx, "bob"))
	})
	f.user("bob")
	if p, err := f.Owner(t.Context(), k); !errors.Is(err, iam.ErrNoAccessKey) {
		t.Errorf("key of the deleted bob is %+v's: %v", p, err)
	}
}

func TestLastUse(t *testing.T) {
	f := start(t)
	f.user("bob")
	c := f.key("bob")
	lastUse := func(s *iam.Service) (u iam.Use) {
		f.view(func(tx iam.Tx) (err error) {
			u, err = s.LastUse(tx, c.ID)
			return err
		})
		return u
	}
	if u := lastUse(f.Service); !u.At.IsZero() {
		t.Errorf("%+v", u)
	}
	f.Used(c.ID, "kms", "eu-1", f.now)
	f.Used("AKIAGONE", "kms", "eu-1", f.now)
	want := iam.Use{At: f.now, Service: "kms", Region: "eu-1"}
	if u := lastUse(f.Service); u != want {
		t.Errorf("before the flush: %+v", u)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Flush(ended); err == nil {
		t.Error("flushed into an ended context")
	}
	if u := lastUse(f.Service); u != want {
		t.Errorf("lost by a failed flush: %+v", u)
	}
	f.must(f.Flush(t.Context()))
	again := iam.New(iam.Config{Account: account, DB: f.db, Sealer: sealer{}, Clock: time.Now})
	defer again.Close()
	if u := lastUse(again); u != want {
		t.Errorf("after a restart: %+v", u)
	}
	r := f.role("deploy", trusting("*"))
	f.Used(r.ID, "kms", "eu-2", f.now)
	f.must(f.Flush(t.Context()))
	f.view(func(tx iam.Tx) error {
		if u, err := again.LastUse(tx, r.ID); err != nil || u.Region != "eu-2" {
			t.Errorf("role: %+v %v", u, err)
		}
		return nil
	})
	f.do(func(tx iam.Tx) error { return f.DeleteRole(tx, "deploy") })
	f.Used(c.ID, "iam", "us-east-1", f.now.Add(time.Minute))
	if u := lastUse(f.Service); u.Service != "iam" {
		t.Errorf("%+v", u)
	}
	f.must(f.Flush(t.Context()))
}

// TestUsedCosts: a request writes nothing down that was written a moment ago.
func TestUsedCosts(t *testing.T) {
	f := start(t)
	f.Used("AKIA", "kms", "eu-1", f.now)
	if n := testing.AllocsPerRun(100, func() { f.Used("AKIA", "kms", "eu-1", f.now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
