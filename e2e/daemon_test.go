package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"
)

// patience is how long a daemon may take to start or to end. Nothing depends on
// it but how soon a broken one is noticed.
const patience = 90 * time.Second

// daemon is a running keyd dev, a process of its own.
type daemon struct {
	dir  string            // what --dir names
	vars map[string]string // what DIR/env exports
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed when the process has ended, after err is set
	err  error
}

// startDaemon runs keyd dev on dir until the test ends; then the directory must
// be sound. A test may stop or kill the daemon and start another on the same
// directory.
func startDaemon(t testing.TB, dir string, flags ...string) *daemon {
	t.Helper()
	d, err := launch(dir, os.Environ(), flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(d.stop(), soundOnce(t, dir)); err != nil {
			t.Error(err)
		}
	})
	return d
}

// checked are the directories that soundOnce has looked at.
var checked sync.Map

// soundOnce checks a directory that several daemons of a test had in turn: the
// clean-ups of the test run one after the other, so all have ended by the last,
// and it is the first that looks, when the latest daemon has stopped.
func soundOnce(t testing.TB, dir string) error {
	if _, seen := checked.LoadOrStore(t.Name()+"\x00"+dir, true); seen {
		return nil
	}
	return sound(dir)
}

// launch runs keyd dev with this environment and waits until it is ready.
func launch(dir string, env []string, flags ...string) (*daemon, error) {
	envFile := filepath.Join(dir, "env")
	// One that a killed daemon left would be taken for the new one's.
	if err := os.RemoveAll(envFile); err != nil {
		return nil, err
	}
	args := append([]string{"dev", "--dir", dir, "--listen", "127.0.0.1:0"}, flags...)
	d := &daemon{dir: dir, out: new(output), done: make(chan struct{})}
	d.cmd = exec.Command("keyd", args...)
	d.cmd.Env, d.cmd.Stdout, d.cmd.Stderr = env, d.out, d.out
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.done)
	}()
	deadline := time.After(patience)
	for {
		text, err := os.ReadFile(envFile)
		if err == nil {
			d.vars = parseExports(string(text))
			return d, nil
		}
		select {
		case <-d.done:
			return nil, fmt.Errorf("keyd dev ended early: %w\n%s", d.err, d.out)
		case <-deadline:
			d.kill()
			return nil, fmt.Errorf("keyd dev is not ready after %v\n%s", patience, d.out)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop sends SIGTERM and waits. That the daemon ended badly, now or before, is
// an error; that it was killed by kill is not.
func (d *daemon) stop() error {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-d.done:
	case <-time.After(patience):
		d.kill()
		return fmt.Errorf("keyd dev does not end\n%s", d.out)
	}
	if d.err != nil && !d.killed() || d.out.raced() {
		return fmt.Errorf("keyd dev: %v\n%s", d.err, d.out)
	}
	return nil
}

// kill is kill -9. It returns when the process is gone.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.done
}

func (d *daemon) killed() bool {
	status, ok := d.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// url is where its API is; socket is its Unix socket.
func (d *daemon) url() string    { return d.vars["AWS_ENDPOINT_URL"] }
func (d *daemon) socket() string { return d.vars["KEYD_SOCKET"] }

func (d *daemon) provider() credentials.StaticCredentialsProvider {
	return credentials.NewStaticCredentialsProvider(d.vars["AWS_ACCESS_KEY_ID"], d.vars["AWS_SECRET_ACCESS_KEY"], "")
}

// kms is AWS's client, without retries; sts likewise.
func (d *daemon) kms(region string) *kmsclient.Client {
	url := d.url()
	return kmsclient.New(kmsclient.Options{
		BaseEndpoint: &url, Region: region, Credentials: d.provider(), RetryMaxAttempts: 1,
	})
}

func (d *daemon) sts(region string) *stsclient.Client {
	url := d.url()
	return stsclient.New(stsclient.Options{
		BaseEndpoint: &url, Region: region, Credentials: d.provider(), RetryMaxAttempts: 1,
	})
}

// sound asks both programs whether a stopped daemon's directory is whole.
func sound(dir string) error {
	var errs []error
	for _, args := range [][]string{{"keyctl", "audit", "verify", dir}, {"keyd", "fsck", "--dir", dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out))
		}
	}
	return errors.Join(errs...)
}

// parseExports reads lines of the form export NAME='value'.
func parseExports(text string) map[string]string {
	vars := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		value = strings.TrimSuffix(strings.TrimPrefix(value, "'"), "'")
		vars[name] = strings.ReplaceAll(value, `'\''`, "'")
	}
	return vars
}

// output collects what a process says.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// raced reports whether the race detector spoke. A killed process cannot say
// so by its exit code.
func (o *output) raced() bool { return strings.Contains(o.String(), "WARNING: DATA RACE") }
