package e2e_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// soak reports whether the long form of a test is asked for.
func soak() bool { return os.Getenv("KEYD_SOAK") != "" }

// seed makes a random test repeatable: KEYD_SEED sets it.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := rand.Uint64()
	if text := os.Getenv("KEYD_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("KEYD_SEED: %v", err)
		}
	}
	t.Logf("KEYD_SEED=%d", n)
	return n
}

// A crashTest is one data directory through many lives, and what its clients
// know of it.
type crashTest struct {
	t       *testing.T
	dir     string
	rng     *rand.Rand
	daemon  *daemon
	witness *witness
	ledger  *ledger
	clients []*client
	all     *shared
	checked int // messages opened since they were made
	calls   int // answered
}

func newCrashTest(t *testing.T, clients int) *crashTest {
	s := seed(t)
	c := &crashTest{t: t, dir: t.TempDir(), rng: rand.New(rand.NewPCG(s, 0)), all: new(shared)}
	c.ledger = newLedger(c.dir)
	for n := range clients {
		c.clients = append(c.clients, newClient(t, n+1, s, c.all))
	}
	t.Cleanup(func() {
		if c.daemon != nil {
			_ = c.daemon.stop()
		}
	})
	return c
}

// start runs the daemon, as anyone would after a crash.
func (c *crashTest) start() {
	c.t.Helper()
	d, err := launch(c.dir, os.Environ())
	if err != nil {
		c.t.Fatal(err)
	}
	c.daemon, c.witness = d, new(witness)
	url := d.url()
	api := kmsclient.New(kmsclient.Options{
		BaseEndpoint: &url, Region: crashRegion, Credentials: d.provider(), RetryMaxAttempts: 1, HTTPClient: c.witness,
	})
	for _, client := range c.clients {
		client.kms = api
	}
}

// work has all clients at work until end, which ends the daemon, returns.
func (c *crashTest) work(end func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	var group sync.WaitGroup
	for _, client := range c.clients {
		group.Go(func() { client.run(ctx) })
	}
	end()
	cancel()
	group.Wait()
}

// pause lets the clients work for a random time, at most that long.
func (c *crashTest) pause(most time.Duration) {
	time.Sleep(time.Duration(c.rng.Int64N(int64(most))))
}

// crash kills the daemon under load, and sometimes the next one while it starts.
func (c *crashTest) crash() {
	c.work(func() {
		c.pause(800 * time.Millisecond)
		c.daemon.kill()
	})
	c.noRace()
	if c.rng.IntN(3) == 0 {
		killStarting(c.t, c.dir, time.Duration(c.rng.Int64N(int64(250*time.Millisecond))))
	}
}

func (c *crashTest) noRace() {
	c.t.Helper()
	if c.daemon.out.raced() {
		c.t.Errorf("keyd: %s", c.daemon.out)
	}
}

// killStarting starts a daemon and kills it after a while.
func killStarting(t *testing.T, dir string, after time.Duration) {
	t.Helper()
	cmd := exec.Command("keyd", "dev", "--dir", dir, "--listen", "127.0.0.1:0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // an error: it was killed
}

// verify checks the new life of the directory against all that is known, and
// settles what was not sure.
func (c *crashTest) verify() {
	c.t.Helper()
	ctx := c.t.Context()
	calls := c.witness.take()
	c.calls += len(calls)
	c.ledger.read(c.t)
	c.ledger.holds(c.t, calls)
	keys, aliases := c.present(ctx)
	c.ledger.agrees(c.t, keys, aliases)
	for _, client := range c.clients {
		client.settle(keys, aliases)
	}
	for id, at := range keys {
		if !slices.Contains(c.all.keys, id) {
			c.t.Errorf("key %s %v came from nowhere", id, at)
		}
	}
	c.open(ctx, keys)
	c.witness.take() // the questions of verify itself
}

// present asks the daemon for everything that there is.
func (c *crashTest) present(ctx context.Context) (map[string]keyState, map[string]string) {
	c.t.Helper()
	api := c.clients[0].kms
	keys, aliases := make(map[string]keyState), make(map[string]string)
	for pages := kmsclient.NewListKeysPaginator(api, &kmsclient.ListKeysInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, k := range page.Keys {
			out, err := api.DescribeKey(ctx, &kmsclient.DescribeKeyInput{KeyId: k.KeyId})
			if err != nil {
				c.t.Fatal(err)
			}
			keys[*k.KeyId] = c.stateOf(ctx, out.KeyMetadata)
		}
	}
	for pages := kmsclient.NewListAliasesPaginator(api, &kmsclient.ListAliasesInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, a := range page.Aliases {
			aliases[*a.AliasName] = aws.ToString(a.TargetKeyId)
		}
	}
	return keys, aliases
}

// settle checks that each key and alias of the client is as it was acknowledged,
// or as the one call that was not answered would have it.
func (c *client) settle(keys map[string]keyState, aliases map[string]string) {
	c.t.Helper()
	for _, k := range c.keys {
		at, ok := keys[k.id]
		if !ok || !slices.Contains(k.may, at) {
			c.t.Errorf("%s: key %s is %v (%t), want one of %v", c.name, k.id, at, ok, k.may)
		}
		k.may = []keyState{at}
	}
	for id, at := range keys {
		if slices.Contains(c.unborn, at.description) {
			c.adopt(id, at)
		}
	}
	c.unborn = nil
	for name, may := range c.aliases {
		if !slices.Contains(may, aliases[name]) {
			c.t.Errorf("%s: %s points at %q, want one of %q", c.name, name, aliases[name], may)
		}
		c.aliases[name] = []string{aliases[name]}
	}
	for name := range aliases {
		if strings.HasPrefix(name, "alias/"+c.name+"/") && c.aliases[name] == nil {
			c.t.Errorf("%s: %s came from nowhere", c.name, name)
		}
	}
}

// open opens the messages that are new and some of the old. What a key refuses
// must be what its state says.
func (c *crashTest) open(ctx context.Context, keys map[string]keyState) {
	c.t.Helper()
	messages := c.all.messages
	look := slices.Clone(messages[c.checked:])
	for range min(20, c.checked) {
		look = append(look, messages[c.rng.IntN(c.checked)])
	}
	c.checked = len(messages)
	want := map[types.KeyState]string{
		types.KeyStateEnabled: "", types.KeyStateDisabled: "DisabledException",
		types.KeyStatePendingDeletion: "KMSInvalidStateException", types.KeyStatePendingImport: "KMSInvalidStateException",
		types.KeyStatePendingReplicaDeletion: "KMSInvalidStateException",
	}
	for _, m := range look {
		err := m.open(ctx, c.clients[0].kms)
		if state := keys[m.key].state; codeOf(err) != want[state] {
			c.t.Errorf("ciphertext under key %s, which is %s: %v", m.key, state, err)
		}
	}
}

// revive makes every key usable and opens every message ever acknowledged.
func (c *crashTest) revive() {
	c.t.Helper()
	ctx, api := c.t.Context(), c.clients[0].kms
	for _, client := range c.clients {
		for _, k := range client.keys {
			if k.at().leaving() {
				client.cancel(ctx, k)
			}
			if k.at().kind == kindImported && !k.at().imported {
				client.importMaterial(ctx, k)
			}
			client.enable(ctx, k)
		}
	}
	for _, m := range c.all.messages {
		if err := m.open(ctx, api); err != nil {
			c.t.Errorf("ciphertext under key %s, at the end: %v", m.key, err)
		}
	}
}

// TestCrash kills the daemon at random moments under a load of changes and
// encryptions, again and again, and checks after each next start that all that
// was acknowledged is there, with its event, and nothing else is.
func TestCrash(t *testing.T) {
	rounds := 12
	if soak() {
		rounds = 200
	}
	c := newCrashTest(t, 6)
	begin := time.Now()
	c.start()
	for range rounds {
		c.crash()
		if err := sound(c.dir); err != nil {
			t.Error(err)
		}
		before := c.witness
		c.start()
		c.witness.answers = before.take()
		c.verify()
		if t.Failed() {
			t.FailNow()
		}
	}
	c.finish()
	t.Logf("%d rounds in %v: %d answered calls, %d events, %d keys, %d ciphertexts",
		rounds, time.Since(begin).Round(time.Second), c.calls, c.ledger.next, len(c.all.keys), len(c.all.messages))
}

// finish opens everything, ends the daemon as an operator does, and checks the
// directory for the last time.
func (c *crashTest) finish() {
	c.t.Helper()
	c.revive()
	if err := c.daemon.stop(); err != nil {
		c.t.Error(err)
	}
	if err := sound(c.dir); err != nil {
		c.t.Error(err)
	}
	if len(c.all.messages) == 0 || c.calls == 0 {
		c.t.Error("nothing was acknowledged: the test proves nothing")
	}
}

// TestCrashDrain ends the daemon with SIGTERM under the same load: it must end
// well, and lose nothing either.
func TestCrashDrain(t *testing.T) {
	c := newCrashTest(t, 6)
	c.start()
	for range 4 {
		c.work(func() {
			c.pause(500 * time.Millisecond)
			if err := c.daemon.stop(); err != nil {
				t.Error(err)
			}
		})
		before := c.witness
		c.start()
		c.witness.answers = before.take()
		c.verify()
	}
	c.finish()
}
