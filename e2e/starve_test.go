package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"go.uber.org/goleak"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/server/listen"
	"github.com/keyd-hsm/keyd/softhsm"
)

const (
	honestClients  = 64
	honestRequests = 20 // of each
	connections    = 160
	// starveMemory bounds the heap of this process, server, honest clients and
	// hostile ones together, in bytes.
	starveMemory = 512 << 20
)

// rsaSized makes new keys as slowly as RSA keys are made.
type rsaSized struct{ hsm.Token }

func (r rsaSized) Generate(ctx context.Context, domain string, k hsm.KeyType) ([]byte, error) {
	select {
	case <-time.After(3 * time.Second):
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", hsm.ErrUnavailable, ctx.Err())
	}
	return r.Token.Generate(ctx, domain, k)
}

// TestStarve: honest clients are all answered while others wait for the token
// for seconds, another process makes RSA keys in it, and hostile clients hold
// more connections than there may be: half-open ones, some that send a byte now
// and then, and some that never read.
func TestStarve(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	kit := testkit.Start(t, testkit.WithToken(func(tok hsm.Token) hsm.Token { return rsaSized{tok} }))
	addr := listenFor(t, kit)
	key := kit.NewKey(crashRegion)
	made := makeRSA(t)

	crowd := startCrowd(t, addr)
	waiting := startWaiting(t, kit, addr)
	peak := watchHeap(t)
	slowest := workHonestly(t, kit, addr, key)
	waiting()
	if n := made(); n == 0 {
		t.Error("no RSA key was made meanwhile: the test proves nothing")
	} else {
		t.Logf("%d RSA-4096 keys made meanwhile", n)
	}
	if crowd.opened.Load() <= connections {
		t.Errorf("%d hostile connections: no more than there may be", crowd.opened.Load())
	}
	t.Logf("%d requests answered, the slowest in %v; %d hostile connections, %d turned away; heap at most %d MB",
		honestClients*honestRequests, slowest.Round(time.Millisecond), crowd.opened.Load(), crowd.closed.Load(), peak()>>20)
	if peak() > starveMemory {
		t.Errorf("heap grew to %d bytes", peak())
	}
}

// listenFor serves the kit behind the real listener.
func listenFor(t *testing.T, kit *testkit.Kit) string {
	t.Helper()
	l, err := listen.Open(listen.Config{
		Addr: "127.0.0.1:0", Limits: listen.Limits{Connections: connections, Drain: time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.Run(ctx, kit.Server) // an error: hostile clients are cut off, not drained
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return l.Addr().String()
}

// honest is AWS's client with a connection of its own.
func honest(t *testing.T, kit *testkit.Kit, addr string) *kmsclient.Client {
	url, transport := "http://"+addr, new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return kmsclient.New(kit.KMS(crashRegion).Options(), func(o *kmsclient.Options) {
		o.BaseEndpoint, o.HTTPClient = &url, &http.Client{Transport: transport}
	})
}

// known makes a client's first request. Until it has proved who it is its
// connection is one in a crowd of strangers, and may be closed like theirs, so
// it tries again, as AWS's clients do. Later requests must not need that.
func known(ctx context.Context, api *kmsclient.Client) error {
	_, err := api.ListKeys(ctx, &kmsclient.ListKeysInput{}, func(o *kmsclient.Options) { o.RetryMaxAttempts = 20 })
	return err
}

// workHonestly has all honest clients do their work and returns what the
// slowest request took.
func workHonestly(t *testing.T, kit *testkit.Kit, addr, key string) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var group sync.WaitGroup
	var slowest atomic.Int64
	for n := range honestClients {
		api := honest(t, kit, addr)
		group.Go(func() {
			m := message{key: key, plaintext: fmt.Appendf(nil, "client %d", n)}
			if err := known(ctx, api); err != nil {
				t.Errorf("client %d, first request: %v", n, err)
				return
			}
			for i := range honestRequests {
				begin := time.Now()
				var err error
				if i%2 == 0 {
					var out *kmsclient.EncryptOutput
					if out, err = api.Encrypt(ctx, &kmsclient.EncryptInput{KeyId: &m.key, Plaintext: m.plaintext}); err == nil {
						m.blob = out.CiphertextBlob
					}
				} else {
					err = m.open(ctx, api)
				}
				if err != nil {
					t.Errorf("client %d, request %d, after %v: %v", n, i, time.Since(begin), err)
					return
				}
				took := int64(time.Since(begin))
				for old := slowest.Load(); took > old && !slowest.CompareAndSwap(old, took); old = slowest.Load() {
				}
			}
		})
	}
	group.Wait()
	return time.Duration(slowest.Load())
}

// startWaiting has clients wait for new keys until the result is called; they
// must all be answered too.
func startWaiting(t *testing.T, kit *testkit.Kit, addr string) (stop func()) {
	t.Helper()
	var stopping atomic.Bool
	var group sync.WaitGroup
	for range 24 { // more than the sessions of the token
		api := honest(t, kit, addr)
		group.Go(func() {
			if err := known(context.Background(), api); err != nil {
				t.Errorf("first request: %v", err)
				return
			}
			for !stopping.Load() {
				if _, err := api.CreateKey(context.Background(), &kmsclient.CreateKeyInput{}); err != nil {
					t.Errorf("CreateKey: %v", err)
					return
				}
			}
		})
	}
	return func() {
		stopping.Store(true)
		group.Wait()
	}
}

// makeRSA has another process make RSA-4096 keys in a token beside the one in
// use, one after the other, until the result is called; that says how many.
func makeRSA(t *testing.T) (stop func() int64) {
	t.Helper()
	s := softhsm.Test(t)
	pin, err := os.ReadFile(s.PINFile())
	if err != nil {
		t.Fatal(err)
	}
	var stopping atomic.Bool
	var group sync.WaitGroup
	var made atomic.Int64
	group.Go(func() {
		for !stopping.Load() {
			tool := exec.Command("pkcs11-tool", "--module", s.Module, "--token-label", s.Info.Label, "--login",
				"--pin", "env:KEYD_TEST_PIN", "--keypairgen", "--key-type", "rsa:4096", "--label", "rsa")
			tool.Env = append(os.Environ(), "SOFTHSM2_CONF="+s.ConfigFile(), "KEYD_TEST_PIN="+strings.TrimSpace(string(pin)))
			if out, err := tool.CombinedOutput(); err != nil {
				t.Errorf("pkcs11-tool: %v\n%s", err, out)
				return
			}
			made.Add(1)
		}
	})
	return func() int64 {
		stopping.Store(true)
		group.Wait()
		return made.Load()
	}
}

// watchHeap looks at the heap now and then until the test ends.
func watchHeap(t *testing.T) (peak func() uint64) {
	t.Helper()
	var most atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), m.HeapInuse))
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
	})
	return most.Load
}
