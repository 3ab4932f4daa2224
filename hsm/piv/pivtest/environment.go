package pivtest

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
)

// socketVariable is where PC/SC's library looks for the daemon.
const socketVariable = "PCSCLITE_CSOCK_NAME"

// Environ returns the environment variables, as "key=value", with which a child
// program finds the card's reader, and no reader of the machine. Those of a card
// that was never in a reader lead to none at all: a test must not reach for a real
// key by mistake.
func (c *Card) Environ() []string {
	slot, err := c.socket.where()
	if err != nil {
		return []string{socketVariable + "=/dev/null"}
	}
	return []string{socketVariable + "=" + slot.stack.socketPath()}
}

// process is the test process's own way to a daemon. PC/SC's library reads the
// variable once in a process's life, so it names one link for all tests, which
// leads to the daemon of the test that runs.
var process struct {
	mu   sync.Mutex // guards what follows
	link string     // empty until it is first needed
	used bool
}

// Setenv makes code in the test's own process find the card's reader, until the
// test ends. Tests that use it do not run in parallel with each other.
func (c *Card) Setenv(t TB) {
	t.Helper()
	slot, err := c.socket.where()
	if err == nil {
		err = lead(slot.stack.socketPath())
	}
	if err != nil {
		t.Fatalf("virtual card: %v", err)
	}
	t.Cleanup(func() {
		if err := leadNowhere(); err != nil {
			t.Fatalf("virtual card: %v", err)
		}
	})
}

// lead points the process's link at a daemon's socket.
func lead(socket string) error {
	process.mu.Lock()
	defer process.mu.Unlock()
	if process.used {
		return errors.New("another test has the process's reader: tests that call Setenv cannot run in parallel")
	}
	if process.link == "" {
		dir, err := os.MkdirTemp("", "pivtest-")
		if err != nil {
			return err
		}
		process.link = filepath.Join(dir, "pcscd.comm")
		if err := os.Setenv(socketVariable, process.link); err != nil {
			return err
		}
	} else if err := os.Mkdir(filepath.Dir(process.link), 0o700); err != nil {
		return err
	}
	process.used = true
	return os.Symlink(socket, process.link)
}

// leadNowhere removes the link; the variable stays, for the library has it.
func leadNowhere() error {
	process.mu.Lock()
	defer process.mu.Unlock()
	process.used = false
	return os.RemoveAll(filepath.Dir(process.link))
}
