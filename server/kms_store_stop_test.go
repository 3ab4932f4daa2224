package server_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	keyservice "github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/store"
)

// TestDisconnectStopsUse: no answer by a key of a store is released once the call
// that disconnected it has returned, and none is wrong meanwhile.
func TestDisconnectStopsUse(t *testing.T) {
	s := startStored(t)
	s.ok("connect", s.connect())
	id := must(s.newKey())
	var disconnected atomic.Bool
	var used atomic.Int64
	stop := make(chan struct{})
	group := new(sync.WaitGroup)
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				late := disconnected.Load()
				_, err := s.c.Encrypt(context.Background(), &kms.EncryptInput{KeyId: &id, Plaintext: []byte("m")})
				switch {
				case err == nil && late && disconnected.Load():
					t.Error("used after it was disconnected")
				case err == nil:
					used.Add(1)
				case !strings.Contains(err.Error(), "is unavailable") && !strings.Contains(err.Error(), "KMSInternalException"):
					t.Error(err)
				}
			}
		})
	}
	for range 5 {
		for before := used.Load(); used.Load() == before; {
			runtime.Gosched()
		}
		s.ok("disconnect", s.disconnect())
		disconnected.Store(true)
		_, err := s.c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: []byte("m")})
		refused(t, "after disconnect", err, "KMSInvalidStateException", "is unavailable.")
		disconnected.Store(false)
		s.ok("connect", s.connect())
	}
	close(stop)
	group.Wait()
}

var errUndo = errors.New("undo")

// TestFsckFindsStoresAndReplicas: records that do not agree are found.
func TestFsckFindsStoresAndReplicas(t *testing.T) {
	s := startStored(t)
	s.ok("connect", s.connect())
	id, multi := must(s.newKey()), newPrimary(t, s.Kit)
	must(replicate(s.Kit, multi, westRegion))
	replace := func(path, old, text string) func(store.Tx) error {
		return func(tx store.Tx) error {
			value, err := tx.Get(path)
			if err != nil {
				return err
			}
			if !strings.Contains(string(value), old) {
				return errors.New(path + " has no " + old)
			}
			return tx.Put(path, []byte(strings.Replace(string(value), old, text, 1)))
		}
	}
	remove := func(path string) func(store.Tx) error {
		return func(tx store.Tx) error { return tx.Delete(path) }
	}
	for what, damage := range map[string]struct {
		do   func(store.Tx) error
		want string
	}{
		"store gone":        {remove("kms/store/" + region + "/" + s.store), "its custom key store " + s.store + " is not there"},
		"store's state":     {replace("kms/store/"+region+"/"+s.store, `"CONNECTED"`, `"CONNECTING"`), "unknown state"},
		"index of its keys": {remove("kms/store-key/" + s.store + "/" + region + "/" + id), "not among the keys of its custom key store"},
		"key gone":          {remove("kms/key/" + region + "/" + id), "no such key in a custom key store"},
		"origin":            {replace("kms/key/"+region+"/"+id, `"AWS_CLOUDHSM"`, `"AWS_KMS"`), "disagree"},
		"two primaries":     {replace("kms/key/"+westRegion+"/"+multi, `"primary_region":"`+homeRegion, `"primary_region":"`+westRegion), "does not agree with its primary key"},
		"primary gone":      {remove("kms/key/" + homeRegion + "/" + multi), "does not agree with its primary key"},
		"relation":          {remove("kms/related/" + multi + "/" + westRegion), "not among its related keys"},
		"relation of none":  {remove("kms/key/" + westRegion + "/" + multi), "no such multi-Region key"},
		"material":          {replace("kms/key/"+westRegion+"/"+multi, `"current":1`, `"current":2`), "does not agree with its primary key"},
	} {
		var problems []string
		err := s.DB.Update(t.Context(), func(tx store.Tx) error {
			if err := damage.do(tx); err != nil {
				return err
			}
			problems = keyservice.Fsck(tx)
			return errUndo
		})
		if !errors.Is(err, errUndo) || !strings.Contains(strings.Join(problems, "\n"), damage.want) {
			t.Errorf("%s: %v, found %q, want %q", what, err, problems, damage.want)
		}
	}
}
