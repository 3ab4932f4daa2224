package durable

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrLocked: another process holds the lock; the error names it.
var ErrLocked = errors.New("locked by another process")

// FileLock is a held lock. Keep it reachable: a collected FileLock is a lost lock.
type FileLock struct{ f *os.File }

// Lock takes the lock file at path, making it if need be, or refuses at once
// with ErrLocked and the process that holds it. The kernel lets the lock go
// when its holder ends, however it ends, so there is no stale lock to remove.
// The file stays, with the last holder's process id in it for people to read.
func Lock(path string) (*FileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		holder := readHolder(f)
		return nil, errors.Join(fmt.Errorf("%s: %w%s", path, err, holder), f.Close())
	}
	// Only for people: a failure to write the id does not weaken the lock, but
	// a disk that refuses ten bytes is no place to start on.
	if err := writePID(f); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return &FileLock{f}, nil
}

func flock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrLocked
		}
		return err
	}
}

// readHolder returns " (process N)", or nothing when the holder has not yet
// written its id. Foreign bytes: only a number is repeated.
func readHolder(f *os.File) string {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 0 {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// Close lets the lock go.
func (l *FileLock) Close() error { return l.f.Close() }
