package e2e_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// tokenAwayFor is how long the token is gone.
const tokenAwayFor = 10 * time.Second

// TestTokenAway takes the token's directory away from a daemon at work, for ten
// seconds, and brings it back. Errors are clear, readiness tells, and all works
// again by itself.
func TestTokenAway(t *testing.T) {
	d := startDaemon(t, t.TempDir())
	l := startTokenLoad(t, d)
	defer l.stop()
	await(t, "readiness before", func() bool { return readiness(t, d) == http.StatusOK })
	l.awaitAll(t)

	tokens := filepath.Join(d.dir, "token", "tokens")
	if err := os.Rename(tokens, tokens+".away"); err != nil {
		t.Fatal(err)
	}
	back := time.Now().Add(tokenAwayFor)
	await(t, "readiness turns false", func() bool { return readiness(t, d) == http.StatusServiceUnavailable })
	refused := l.refused.Load()
	for time.Now().Before(back) {
		if status := readiness(t, d); status != http.StatusServiceUnavailable {
			t.Errorf("readiness while the token is away: %d", status)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if l.refused.Load() == refused {
		t.Error("no call was refused while the token was away")
	}
	if err := os.Rename(tokens+".away", tokens); err != nil {
		t.Fatal(err)
	}
	returned := time.Now()
	l.awaitAll(t)
	t.Logf("all operations work %v after the return; %d calls were refused",
		time.Since(returned).Round(time.Millisecond), l.refused.Load())
	await(t, "readiness after", func() bool { return readiness(t, d) == http.StatusOK })
}

// readiness is the status of /readyz.
func readiness(t *testing.T, d *daemon) int {
	t.Helper()
	resp, err := http.Get(d.vars["KEYD_HEALTH_URL"] + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// await waits for something that must come about.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: never", what)
		}
	}
}

// tokenLoad calls a daemon without pause. Calls may fail while the token is
// away, with the errors for that, but none may answer wrongly.
type tokenLoad struct {
	good    map[string]*atomic.Int64 // by operation
	refused atomic.Int64
	end     context.CancelFunc
	group   sync.WaitGroup
}

func startTokenLoad(t *testing.T, d *daemon) *tokenLoad {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &tokenLoad{good: make(map[string]*atomic.Int64), end: cancel}
	api := d.kms(crashRegion)
	for name, call := range tokenCalls(t, api) {
		good := new(atomic.Int64)
		l.good[name] = good
		l.group.Go(func() {
			for ctx.Err() == nil {
				switch code := codeOf(call(context.Background())); code {
				case "":
					good.Add(1)
				case "KMSInternalException", "DependencyTimeoutException":
					l.refused.Add(1)
				default:
					t.Errorf("%s: %s", name, code)
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	return l
}

// tokenCalls are operations that need the token, each in its own way.
func tokenCalls(t *testing.T, api *kmsclient.Client) map[string]func(context.Context) error {
	t.Helper()
	made, err := api.CreateKey(t.Context(), &kmsclient.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	m := &message{key: *made.KeyMetadata.KeyId, plaintext: []byte("before")}
	sealed, err := api.Encrypt(t.Context(), &kmsclient.EncryptInput{KeyId: &m.key, Plaintext: m.plaintext})
	if err != nil {
		t.Fatal(err)
	}
	m.blob = sealed.CiphertextBlob
	var n int32 = 32
	return map[string]func(context.Context) error{
		"Decrypt": func(ctx context.Context) error { return m.open(ctx, api) },
		"Encrypt": func(ctx context.Context) error {
			_, err := api.Encrypt(ctx, &kmsclient.EncryptInput{KeyId: &m.key, Plaintext: m.plaintext})
			return err
		},
		"CreateKey": func(ctx context.Context) error {
			_, err := api.CreateKey(ctx, &kmsclient.CreateKeyInput{})
			return err
		},
		"GenerateRandom": func(ctx context.Context) error {
			_, err := api.GenerateRandom(ctx, &kmsclient.GenerateRandomInput{NumberOfBytes: &n})
			return err
		},
		"GenerateDataKey": func(ctx context.Context) error {
			_, err := api.GenerateDataKey(ctx, &kmsclient.GenerateDataKeyInput{KeyId: &m.key, KeySpec: types.DataKeySpecAes256})
			return err
		},
	}
}

// awaitAll waits until each operation has worked anew.
func (l *tokenLoad) awaitAll(t *testing.T) {
	t.Helper()
	for name, good := range l.good {
		goal := good.Load() + 1
		await(t, name+" works", func() bool { return good.Load() >= goal })
	}
}

func (l *tokenLoad) stop() {
	l.end()
	l.group.Wait()
}
