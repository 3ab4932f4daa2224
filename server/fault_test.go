package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/server"
)

// mortalState dies on demand in the worst place: what a request wrote is
// durable, and its goroutine gets no further, as in a crash.
type mortalState struct {
	server.State
	dying atomic.Bool
}

func (m *mortalState) Update(ctx context.Context, fn func(tx kms.Tx) error) error {
	err := m.State.Update(ctx, fn)
	if m.dying.Load() {
		runtime.Goexit()
	}
	return err
}

// serve answers with a server of these parts, until the test ends.
func serve(t *testing.T, cfg server.Config) *httptest.Server {
	t.Helper()
	s, err := server.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(s)
	t.Cleanup(hs.Close)
	return hs
}

// reopened closes the log and opens it again, as a new start does.
func reopened(t *testing.T, kit *testkit.Kit, cfg server.Config) server.Config {
	t.Helper()
	if err := cfg.Log.Close(); err != nil {
		t.Fatal(err)
	}
	log, _, err := audit.Open(filepath.Join(kit.Dir, "audit"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg.Log = log
	return cfg
}

// clientOf is AWS's client for another server with the kit's parts.
func clientOf(kit *testkit.Kit, url string) *kmsclient.Client {
	return kmsclient.New(kit.KMS("eu-1").Options(), func(o *kmsclient.Options) { o.BaseEndpoint = &url })
}

// codeOf is AWS's code of an error, "" for none.
func codeOf(err error) string {
	var refusal smithy.APIError
	if errors.As(err, &refusal) {
		return refusal.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// created counts the successful CreateKey events in the log by key id.
func created(t *testing.T, kit *testkit.Kit) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for entry, err := range audit.Read(filepath.Join(kit.Dir, "audit"), 0) {
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			EventName, ErrorCode string
			ResponseElements     struct{ KeyMetadata struct{ KeyID string } }
		}
		if err := json.Unmarshal(entry.Record, &e); err != nil {
			t.Fatal(err)
		}
		if e.EventName == "CreateKey" && e.ErrorCode == "" {
			counts[e.ResponseElements.KeyMetadata.KeyID]++
		}
	}
	return counts
}

// keysOf lists the ids of all keys there are.
func keysOf(t *testing.T, kit *testkit.Kit) []string {
	t.Helper()
	ids, _, err := kit.Service.ListKeys(t.Context(), "eu-1", kms.Page{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestCrashBeforeLog stops requests between the commit of their change and the
// append of its event. After the next start each event is there once; after the
// start behind that, too, and those that were in the log stay alone.
func TestCrashBeforeLog(t *testing.T) {
	kit := testkit.Start(t)
	cfg := kit.Server.Config
	state := &mortalState{State: cfg.State}
	cfg.State = state
	for round := range 3 {
		api := clientOf(kit, serve(t, cfg).URL)
		if _, err := api.CreateKey(t.Context(), &kmsclient.CreateKeyInput{}); err != nil {
			t.Fatal(err)
		}
		before := len(created(t, kit))
		state.dying.Store(true)
		const died = 4
		for range died {
			if _, err := api.CreateKey(t.Context(), &kmsclient.CreateKeyInput{}); err == nil {
				t.Fatal("a request that died was answered")
			}
		}
		state.dying.Store(false)
		if n := len(created(t, kit)); n != before {
			t.Fatalf("%d events of requests that died before they could log", n-before)
		}
		cfg = reopened(t, kit, cfg)
		serve(t, cfg)
		cfg = reopened(t, kit, cfg)
		serve(t, cfg)
		events, keys := created(t, kit), keysOf(t, kit)
		if want := (round + 1) * (died + 1); len(keys) != want || len(events) != want {
			t.Errorf("round %d: %d keys and events of %d, want %d", round, len(keys), len(events), want)
		}
		for _, id := range keys {
			if events[id] != 1 {
				t.Errorf("round %d: key %s has %d events", round, id, events[id])
			}
		}
	}
}

// TestLogFailed: when the audit log takes no more, nothing is answered but an
// error of ours, and nothing is changed.
func TestLogFailed(t *testing.T) {
	kit := testkit.Start(t)
	api, ctx, key := kit.KMS("eu-1"), t.Context(), kit.NewKey("eu-1")
	if err := kit.Log.Close(); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"Encrypt": func() error {
			_, err := api.Encrypt(ctx, &kmsclient.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
			return err
		},
		"CreateKey":  func() error { _, err := api.CreateKey(ctx, &kmsclient.CreateKeyInput{}); return err },
		"DisableKey": func() error { _, err := api.DisableKey(ctx, &kmsclient.DisableKeyInput{KeyId: &key}); return err },
		"refusal": func() error {
			_, err := api.DescribeKey(ctx, &kmsclient.DescribeKeyInput{KeyId: new("alias/none")})
			return err
		},
	} {
		if code := codeOf(call()); code != "KMSInternalException" {
			t.Errorf("%s: answered %q", name, code)
		}
	}
	if ids := keysOf(t, kit); len(ids) != 1 {
		t.Errorf("%d keys: CreateKey made one without an event", len(ids))
	}
	k, err := kit.Service.KeyByID(ctx, nil, "eu-1", key)
	if err != nil || k.State != kms.Enabled {
		t.Errorf("key is %v (%v): DisableKey changed it without an event", k.State, err)
	}
}
