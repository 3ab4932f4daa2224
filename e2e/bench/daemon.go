package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// startTime is how long keyd may take until it is ready.
const startTime = time.Minute

// daemon is a keyd that runs.
type daemon struct {
	endpoint
	vars map[string]string // from its env file
	cmd  *exec.Cmd
	said bytes.Buffer  // read it when done is closed
	done chan struct{} // closed when it has ended, with err set
	err  error
}

// startKeyd runs keyd dev and waits until it is ready.
func startKeyd(ctx context.Context, program, dir string) (*daemon, error) {
	d := &daemon{cmd: exec.Command(program, "dev", "--dir", dir, "--listen", "127.0.0.1:0"), done: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = &d.said, &d.said
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: make build makes it", err)
	}
	d.pid = d.cmd.Process.Pid
	go func() {
		d.err = d.cmd.Wait()
		close(d.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		text, err := os.ReadFile(filepath.Join(dir, "env"))
		if err == nil {
			d.vars = exports(string(text))
			d.addr = strings.TrimPrefix(d.vars["AWS_ENDPOINT_URL"], "http://")
			return d, nil
		}
		select {
		case <-d.done:
			return nil, fmt.Errorf("keyd ended early: %w\n%s", d.err, &d.said)
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("keyd is not ready: %w", ctx.Err()), d.stop())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop ends keyd and says how it ended.
func (d *daemon) stop() error {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	<-d.done
	if d.err != nil {
		return fmt.Errorf("keyd: %w\n%s", d.err, &d.said)
	}
	return nil
}

// client is AWS's client for keyd, sending with do; nil sends as usual.
func (d *daemon) client(do transport) *kms.Client {
	url := d.vars["AWS_ENDPOINT_URL"]
	if do == nil {
		do = http.DefaultClient.Do
	}
	return kms.New(kms.Options{
		BaseEndpoint: &url, Region: d.vars["AWS_REGION"], RetryMaxAttempts: 1, HTTPClient: do,
		Credentials: credentials.NewStaticCredentialsProvider(d.vars["AWS_ACCESS_KEY_ID"], d.vars["AWS_SECRET_ACCESS_KEY"], ""),
	})
}

// exports reads lines of the form export NAME='value'.
func exports(text string) map[string]string {
	vars := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		vars[name] = strings.ReplaceAll(strings.Trim(value, "'"), `'\''`, "'")
	}
	return vars
}
