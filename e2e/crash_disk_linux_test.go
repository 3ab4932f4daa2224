package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"golang.org/x/sys/unix"
)

// TestCrashDiskFull lets the audit log of a daemon at work run into the end of
// its disk: a limit on the size of files does what a full disk does, to one
// process, without a file system of its own. From then on nothing is answered
// but an internal error, and readiness tells. With the space back and a new start
// all that was acknowledged is there, and what was done has its event.
func TestCrashDiskFull(t *testing.T) {
	c := newCrashTest(t, 6)
	for _, client := range c.clients {
		client.tolerant = true
	}
	c.start()
	c.outgrow()
	for round := range 3 {
		c.witness.tolerant = true
		d := c.daemon
		c.work(func() {
			c.awaitCalls(20 + c.rng.IntN(100))
			// The first time nothing at all fits, then part of an event does.
			limitFiles(t, d, uint64(logSize(t, c.dir)+int64(round*c.rng.IntN(4000))))
			await(t, "readiness turns false", func() bool { return readiness(t, d) == http.StatusServiceUnavailable })
		})
		for range 3 {
			_, err := c.clients[0].kms.CreateKey(t.Context(), &kmsclient.CreateKeyInput{Description: aws.String("refused")})
			if code := codeOf(err); code != "KMSInternalException" {
				t.Errorf("CreateKey without room for its event: %q", code)
			}
		}
		if round == 1 {
			d.kill()
		}
		if err := d.stop(); err != nil {
			t.Error(err)
		}
		before := c.witness
		c.start()
		c.witness.answers = before.take()
		c.verify()
	}
	c.finish()
}

// outgrow makes the log larger than the state, so that a limit on the size of
// files meets the log alone.
func (c *crashTest) outgrow() {
	c.t.Helper()
	ctx, api := c.t.Context(), c.clients[0].kms
	if !c.clients[0].createKey(ctx) {
		c.t.Fatal("no first key")
	}
	id := c.clients[0].keys[0].id
	long := map[string]string{"long": strings.Repeat("x", 8000)}
	state := filepath.Join(c.dir, "state.db")
	for {
		info, err := os.Stat(state)
		if err != nil {
			c.t.Fatal(err)
		}
		if logSize(c.t, c.dir) > info.Size()+info.Size()/4 {
			return
		}
		for range 20 {
			if _, err := api.GenerateDataKey(ctx, &kmsclient.GenerateDataKeyInput{
				KeyId: &id, KeySpec: types.DataKeySpecAes256, EncryptionContext: long,
			}); err != nil {
				c.t.Fatal(err)
			}
		}
	}
}

// awaitCalls waits until the clients have so many more answers.
func (c *crashTest) awaitCalls(n int) {
	c.t.Helper()
	count := func() int {
		c.witness.mu.Lock()
		defer c.witness.mu.Unlock()
		return len(c.witness.answers)
	}
	goal := count() + n
	await(c.t, "calls are answered", func() bool { return count() >= goal })
}

// logSize is the size of the audit log's last segment.
func logSize(t *testing.T, dir string) int64 {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, "audit", "*.jsonl"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("segments %q (%v): the test needs one", segments, err)
	}
	info, err := os.Stat(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// limitFiles keeps a running daemon from writing beyond that many bytes in any
// file.
func limitFiles(t *testing.T, d *daemon, size uint64) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_FSIZE, nil, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: old.Max}, nil); err != nil {
		t.Fatal(err)
	}
}
