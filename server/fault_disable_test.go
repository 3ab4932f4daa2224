package server_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/internal/testkit"
)

// heldToken holds up its uses of keys on demand.
type heldToken struct {
	hsm.Token
	held    atomic.Bool
	entered chan struct{} // a send for each use that is held up
	release chan struct{} // a receive lets one go on
}

func (h *heldToken) MAC(ctx context.Context, k hsm.Key, data []byte) ([]byte, error) {
	if h.held.Load() {
		h.entered <- struct{}{}
		<-h.release
	}
	return h.Token.MAC(ctx, k, data)
}

// TestDisabledUnderway: a key is disabled, or given up for deletion, while the
// token works on a call that was admitted before. The call that did it returns
// at once, and what the token then gives is not released.
func TestDisabledUnderway(t *testing.T) {
	token := &heldToken{entered: make(chan struct{}), release: make(chan struct{})}
	kit := testkit.Start(t, testkit.WithToken(func(tok hsm.Token) hsm.Token {
		token.Token = tok
		return token
	}))
	api := kit.KMS("eu-1")
	ctx := t.Context()
	for change, c := range map[string]struct {
		do   func(key *string) error
		code string
	}{
		"DisableKey": {func(key *string) error {
			_, err := api.DisableKey(ctx, &kmsclient.DisableKeyInput{KeyId: key})
			return err
		}, "DisabledException"},
		"ScheduleKeyDeletion": {func(key *string) error {
			_, err := api.ScheduleKeyDeletion(ctx, &kmsclient.ScheduleKeyDeletionInput{KeyId: key})
			return err
		}, "KMSInvalidStateException"},
	} {
		for _, use := range []string{"Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey"} {
			t.Run(change+" during "+use, func(t *testing.T) {
				key := kit.NewKey("eu-1")
				call := uses(t, kit, key)[use]
				answer := make(chan error, 1)
				token.held.Store(true)
				go func() { answer <- call() }()
				select {
				case <-token.entered:
				case err := <-answer:
					t.Fatalf("%s did not ask the token: %v", use, err)
				}
				token.held.Store(false)
				if err := c.do(&key); err != nil {
					t.Error(err)
				}
				token.release <- struct{}{}
				if code := codeOf(<-answer); code != c.code {
					t.Errorf("answered %q after %s had returned", code, change)
				}
			})
		}
	}
}

// uses are the operations that use a key.
func uses(t *testing.T, kit *testkit.Kit, key string) map[string]func() error {
	t.Helper()
	api, ctx := kit.KMS("eu-1"), context.Background()
	sealed, err := api.Encrypt(ctx, &kmsclient.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]func() error{
		"Encrypt": func() error {
			_, err := api.Encrypt(ctx, &kmsclient.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
			return err
		},
		"Decrypt": func() error {
			_, err := api.Decrypt(ctx, &kmsclient.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
			return err
		},
		"ReEncrypt": func() error {
			_, err := api.ReEncrypt(ctx, &kmsclient.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, DestinationKeyId: &key})
			return err
		},
		"GenerateDataKey": func() error {
			_, err := api.GenerateDataKey(ctx, &kmsclient.GenerateDataKeyInput{KeyId: &key, KeySpec: types.DataKeySpecAes256})
			return err
		},
	}
}

// TestDisabledAfterAnswers: DisableKey does not return while an answer that was
// given by the old state is on its way.
func TestDisabledAfterAnswers(t *testing.T) {
	kit := testkit.Start(t)
	key := kit.NewKey("eu-1")
	release := kit.Server.HoldAnswer()
	returned := make(chan error, 1)
	go func() {
		_, err := kit.KMS("eu-1").DisableKey(context.Background(), &kmsclient.DisableKeyInput{KeyId: &key})
		returned <- err
		close(returned)
	}()
	for size := kit.Log.Size(); kit.Log.Size() == size; {
		time.Sleep(time.Millisecond) // until all is done but to return
	}
	select {
	case <-returned:
		t.Error("DisableKey returned before the answer was out")
	case <-time.After(50 * time.Millisecond):
	}
	release()
	if err := <-returned; err != nil {
		t.Error(err)
	}
}

// TestDisabledAtOnce: many clients use a key that is disabled and enabled again
// and again. No call that begins after DisableKey has returned, and ends before
// EnableKey is called, succeeds; and none that begins after EnableKey fails.
func TestDisabledAtOnce(t *testing.T) {
	kit := testkit.Start(t)
	api, key := kit.KMS("eu-1"), kit.NewKey("eu-1")
	var (
		phase  atomic.Int64 // 4n: enabled, 4n+1: being disabled, 4n+2: disabled, 4n+3: being enabled
		seen   [4]atomic.Int64
		stop   atomic.Bool
		group  sync.WaitGroup
		calls  = uses(t, kit, key)
		expect = map[int64]string{0: "", 2: "DisabledException"}
	)
	for range 12 {
		group.Go(func() {
			for !stop.Load() {
				for name, call := range calls {
					before := phase.Load()
					code := codeOf(call())
					if phase.Load() != before {
						continue
					}
					seen[before%4].Add(1)
					if want, sure := expect[before%4]; sure && code != want {
						t.Errorf("%s: answered %q, want %q", name, code, want)
					}
				}
			}
		})
	}
	change := func(do func() error) {
		phase.Add(1)
		if err := do(); err != nil {
			t.Error(err)
		}
		p := phase.Add(1)
		// Until some calls have fallen wholly into this phase.
		for goal := seen[p%4].Load() + 8; seen[p%4].Load() < goal && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	for range 20 {
		change(func() error {
			_, err := api.DisableKey(t.Context(), &kmsclient.DisableKeyInput{KeyId: &key})
			return err
		})
		change(func() error {
			_, err := api.EnableKey(t.Context(), &kmsclient.EnableKeyInput{KeyId: &key})
			return err
		})
	}
	stop.Store(true)
	group.Wait()
}
