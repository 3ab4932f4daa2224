package piv

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// secretSize is the length of the longest secret, a seed for SHA-512.
const secretSize = 128

// memory is room for secrets outside Go's heap: pages that are not swapped, not
// dumped, and not given to child processes. It is not safe for concurrent use.
type memory struct {
	pages []byte
	free  []int // offsets of places that hold nothing
}

// secret is a place in memory, and how much of it is used.
type secret struct{ at, size int }

// newMemory takes room for that many secrets.
func newMemory(places int) (*memory, error) {
	pages, err := unix.Mmap(-1, 0, places*secretSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("memory for keys: %w", err)
	}
	m := &memory{pages: pages}
	if err := m.lock(); err != nil {
		return nil, errors.Join(err, m.release())
	}
	for i := places - 1; i >= 0; i-- {
		m.free = append(m.free, i*secretSize)
	}
	return m, nil
}

func (m *memory) lock() error {
	if err := unix.Mlock(m.pages); err != nil {
		return fmt.Errorf("memory for keys: %d KiB cannot be locked: raise the limit (ulimit -l, LimitMEMLOCK=), or keep fewer keys: %w",
			len(m.pages)>>10, err)
	}
	if err := unix.Madvise(m.pages, unix.MADV_DONTDUMP); err != nil {
		return fmt.Errorf("memory for keys: %w", err)
	}
	if err := unix.Madvise(m.pages, unix.MADV_DONTFORK); err != nil {
		return fmt.Errorf("memory for keys: %w", err)
	}
	return nil
}

// put moves a secret into memory: b is wiped.
func (m *memory) put(b []byte) (secret, error) {
	defer clear(b)
	if len(b) == 0 || len(b) > secretSize || len(m.free) == 0 {
		return secret{}, errors.New("memory for keys: no place for this one")
	}
	s := secret{m.free[len(m.free)-1], len(b)}
	m.free = m.free[:len(m.free)-1]
	copy(m.pages[s.at:], b)
	return s, nil
}

// bytes are the secret itself, not a copy.
func (m *memory) bytes(s secret) []byte { return m.pages[s.at : s.at+s.size : s.at+s.size] }

// wipe gives a place free.
func (m *memory) wipe(s secret) {
	clear(m.bytes(s))
	m.free = append(m.free, s.at)
}

// release wipes all and gives the pages back.
func (m *memory) release() error {
	clear(m.pages)
	pages := m.pages
	m.pages, m.free = nil, nil
	return unix.Munmap(pages)
}
