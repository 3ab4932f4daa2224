package pkcs11_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/softhsm"
)

// TestApplianceSurvives closes the sessions under a whole appliance and
// finalizes its module, under load. No client sees an error, and nobody
// restarts anything. As in TestHarmUnderLoad the harm is done between calls.
func TestApplianceSurvives(t *testing.T) {
	var info hsm.Info
	kit := testkit.Start(t, testkit.WithToken(func(tok hsm.Token) hsm.Token {
		info = tok.Info()
		return tok
	}))
	path, err := softhsm.FindModule()
	if err != nil {
		t.Fatal(err)
	}
	m := p11.New(path)
	harms := map[string]func() error{
		"sessions closed":  func() error { return m.CloseAllSessions(slotOf(t, m, info.Label)) },
		"module finalized": m.Finalize,
		"module finalized and initialized": func() error {
			return errors.Join(m.Finalize(), m.Initialize())
		},
	}
	w := startClients(t, kit)
	defer w.stop()
	for round := range 4 {
		for name, harm := range harms {
			w.calling.Lock()
			err := harm()
			w.calling.Unlock()
			if err != nil {
				t.Fatalf("%s, round %d: %v", name, round, err)
			}
			until(t, "requests succeed after: "+name, w.good.Load()+40, w.good.Load)
			if err := kit.Service.Check(t.Context()); err != nil {
				t.Errorf("readiness after %s: %v", name, err)
			}
		}
	}
}

// clients use an appliance through HTTP.
type clients struct {
	calling sync.RWMutex // held for reading by each request
	good    atomic.Int64
	end     context.CancelFunc
	group   sync.WaitGroup
}

func startClients(t *testing.T, kit *testkit.Kit) *clients {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w, api, key := &clients{end: cancel}, kit.KMS("eu-1"), kit.NewKey("eu-1")
	sealed, err := api.Encrypt(ctx, &kmsclient.EncryptInput{KeyId: &key, Plaintext: []byte("before")})
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"Decrypt": func() error {
			out, err := api.Decrypt(context.Background(), &kmsclient.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
			if err == nil && !bytes.Equal(out.Plaintext, []byte("before")) {
				err = errors.New("another plaintext")
			}
			return err
		},
		"CreateKey": func() error {
			_, err := api.CreateKey(context.Background(), &kmsclient.CreateKeyInput{})
			return err
		},
		"GenerateRandom": func() error {
			n := int32(16)
			_, err := api.GenerateRandom(context.Background(), &kmsclient.GenerateRandomInput{NumberOfBytes: &n})
			return err
		},
	} {
		w.group.Go(func() {
			for ctx.Err() == nil {
				w.calling.RLock()
				err := call()
				w.calling.RUnlock()
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				w.good.Add(1)
			}
		})
	}
	return w
}

func (w *clients) stop() {
	w.end()
	w.group.Wait()
}
