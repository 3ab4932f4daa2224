package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxSocketPath is the longest path that fits into sockaddr_un (unix(7)).
const maxSocketPath = 107

// listenUnix makes the socket at path, replacing one that nobody serves. The
// file never has more permissions than mode, not even for a moment.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("socket %q: the path has %d bytes, the system allows %d: choose a shorter one", path, len(path), maxSocketPath)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	restrict := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var chmod error
		err := c.Control(func(fd uintptr) { chmod = unix.Fchmod(int(fd), uint32(mode.Perm())) })
		return errors.Join(err, chmod)
	}}
	l, err := restrict.Listen(context.Background(), "unix", path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("socket %q: directory %q does not exist: make it first", path, filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	// Removal is ours: by the time of Close another process may own the path.
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	made, err := os.Lstat(path)
	if err == nil {
		// The umask may have taken some of the permissions away.
		err = os.Chmod(path, mode.Perm())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("socket: %w", err), l.Close())
	}
	return &socket{Listener: l, path: path, made: made}, nil
}

// removeStale clears path of a socket that nobody listens on.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("socket %q: a file that is no socket is there: move it away or choose another path", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = c.Close()
		return fmt.Errorf("socket %q: another process listens on it: stop that one or choose another path", path)
	case !errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("socket %q: cannot tell whether it is in use: %w", path, err)
	}
	return os.Remove(path)
}

// socket is a Unix listener that removes its file on Close if it is still its own.
type socket struct {
	net.Listener
	path string
	made fs.FileInfo
	once sync.Once
}

func (s *socket) Close() error {
	err := s.Listener.Close()
	s.once.Do(func() {
		if now, statErr := os.Lstat(s.path); statErr == nil && os.SameFile(now, s.made) {
			err = errors.Join(err, os.Remove(s.path))
		}
	})
	return err
}
