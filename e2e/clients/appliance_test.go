package clients_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// patience is how long keyd may take to start or to end. Nothing depends on it
// but how soon a broken one is noticed.
const patience = 90 * time.Second

// appliance is a running keyd dev, and its administrator: the root user.
type appliance struct {
	dir  string
	vars map[string]string // what DIR/env exports
	cmd  *exec.Cmd
	out  bytes.Buffer  // what it says; read it when done is closed
	done chan struct{} // closed when the process has ended, after err is set
	err  error

	kms *kms.Client
	iam *iam.Client
}

// start runs keyd dev on dir with these further flags, waits until it is ready, and takes its exports as
// this process's environment.
func start(dir string, flags ...string) (*appliance, error) {
	a := &appliance{dir: dir, done: make(chan struct{})}
	a.cmd = exec.Command(program("keyd"), append([]string{"dev", "--dir", dir, "--listen", "127.0.0.1:0"}, flags...)...)
	a.cmd.Stdout, a.cmd.Stderr = &a.out, &a.out
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		a.err = a.cmd.Wait()
		close(a.done)
	}()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(dir, "env"))
		if err == nil {
			a.vars = parseExports(string(text))
			break
		}
		select {
		case <-a.done:
			return nil, fmt.Errorf("keyd dev ended early: %w\n%s", a.err, &a.out)
		default:
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("keyd dev is not ready after %v", patience), a.stop())
		}
	}
	cfg := aws.Config{
		BaseEndpoint: aws.String(a.vars["AWS_ENDPOINT_URL"]), Region: a.vars["AWS_REGION"],
		Credentials: credentials.NewStaticCredentialsProvider(a.vars["AWS_ACCESS_KEY_ID"], a.vars["AWS_SECRET_ACCESS_KEY"], ""),
	}
	a.kms, a.iam = kms.NewFromConfig(cfg), iam.NewFromConfig(cfg)
	return a, setenv(a.vars)
}

// stop sends SIGTERM and waits. That keyd ended badly is an error.
func (a *appliance) stop() error {
	_ = a.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-a.done:
	case <-time.After(patience):
		_ = a.cmd.Process.Kill()
		<-a.done
	}
	if a.err != nil || strings.Contains(a.out.String(), "WARNING: DATA RACE") {
		return fmt.Errorf("keyd dev: %v\n%s", a.err, &a.out)
	}
	return nil
}

// sound asks both programs whether the stopped appliance's directory is whole.
func (a *appliance) sound() error {
	var errs []error
	for _, args := range [][]string{{"keyctl", "audit", "verify", a.dir}, {"keyd", "fsck", "--dir", a.dir}} {
		if out, err := exec.Command(program(args[0]), args[1:]...).CombinedOutput(); err != nil {
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
		vars[name] = strings.ReplaceAll(strings.Trim(value, "'"), `'\''`, "'")
	}
	return vars
}
