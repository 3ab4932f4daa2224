package pivtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// stack is a PC/SC daemon with its readers, in namespaces of its own.
type stack struct {
	dir   string // its /run
	slots []*readerSlot
	log   *log

	warden  *exec.Cmd     // the process that holds the namespaces, see warden.go
	control *net.UnixConn // to it; when this closes, all of them end
	dead    chan struct{} // closed when it has ended
	asking  sync.Mutex    // guards the conversation on control

	cards sync.WaitGroup // those that are being served
	mu    sync.Mutex     // guards fault
	fault error          // of serving them
}

var errStackDead = errors.New("pcscd: ended")

// daemon and drivers are where Debian and others keep pcscd and vpcd's driver.
var (
	daemons = []string{"/usr/sbin/pcscd", "/usr/bin/pcscd", "/usr/local/sbin/pcscd"}
	drivers = []string{
		"/usr/lib/pcsc/drivers/serial/libifdvpcd.so",
		"/usr/lib/*/pcsc/drivers/serial/libifdvpcd.so",
		"/usr/lib64/pcsc/drivers/serial/libifdvpcd.so",
		"/usr/local/lib/pcsc/drivers/serial/libifdvpcd.so",
	}
)

// find returns the first file that one of the patterns matches.
func find(what string, patterns []string) (string, error) {
	for _, p := range patterns {
		if found, err := filepath.Glob(p); err == nil && len(found) > 0 {
			return found[0], nil
		}
	}
	return "", fmt.Errorf("%s: not in %s\nhint: apt-get install pcscd vsmartcard-vpcd", what, strings.Join(patterns, ", "))
}

// startStack starts a daemon with readers for n cards.
func startStack(n int) (_ *stack, err error) {
	if n < 1 || n > pcscSlots {
		return nil, fmt.Errorf("%d cards: a daemon has room for 1 to %d", n, pcscSlots)
	}
	daemon, err := find("pcscd", daemons)
	if err != nil {
		return nil, err
	}
	driver, err := find("the reader driver vpcd", drivers)
	if err != nil {
		return nil, err
	}
	// Not the test's own directory: a socket's path has at most 107 bytes.
	dir, err := os.MkdirTemp("", "pivtest-")
	if err != nil {
		return nil, err
	}
	s := &stack{dir: dir, log: new(log), dead: make(chan struct{})}
	for i := range n {
		s.slots = append(s.slots, newReaderSlot(s, i))
	}
	if err := s.prepare(driver); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.startWarden(daemon); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// Names in the stack's directory, which the daemon sees as /run.
const (
	configFile = "reader.conf"
	emptyDir   = "empty"
	socketFile = "pcscd/pcscd.comm"
)

// prepare fills the directory: the daemon's configuration, an empty directory to
// hide real readers' drivers with, and copies of vpcd's driver, whose own place
// will be hidden, too. Each reader has its copy, because the driver keeps its
// connections in one array, by the number of the slot in its reader.
func (s *stack) prepare(driver string) error {
	code, err := os.ReadFile(driver)
	if err != nil {
		return err
	}
	var config strings.Builder
	for i := 0; i < len(s.slots); i += slotsOfReader {
		port := s.slots[i].port
		name := fmt.Sprintf("vpcd-%d.so", port)
		if err := os.WriteFile(filepath.Join(s.dir, name), code, 0o600); err != nil {
			return err
		}
		fmt.Fprintf(&config, "FRIENDLYNAME %q\nDEVICENAME /dev/null:0x%X\nLIBPATH /run/%s\nCHANNELID 0x%X\n\n", friendlyName(i/slotsOfReader), port, name, port)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(s.dir, configFile), []byte(config.String()), 0o600),
		os.Mkdir(filepath.Join(s.dir, emptyDir), 0o700),
	)
}

func (s *stack) socketPath() string { return filepath.Join(s.dir, socketFile) }

// note keeps the first fault of a card's connection.
func (s *stack) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil {
		s.fault = err
	}
}

// said returns what the daemon has said, to be put behind an error.
func (s *stack) said() string {
	if text := s.log.String(); text != "" {
		return "\npcscd said:\n" + text
	}
	return ""
}

// stop takes the cards out and ends the daemon and all that belongs to it.
func (s *stack) stop() error {
	err := s.control.Close()
	<-s.dead
	for _, slot := range s.slots {
		slot.mu.Lock()
		if slot.conn != nil {
			_ = slot.conn.Close() // the other end is gone already
		}
		slot.mu.Unlock()
	}
	s.cards.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.fault, os.RemoveAll(s.dir))
}
