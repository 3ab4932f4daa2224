//go:build !linux

package piv

import "errors"

// secretSize is the length of the longest secret, a seed for SHA-512.
const secretSize = 128

// memory is locked memory, which this system gives nobody here.
type memory struct{}

type secret struct{ at, size int }

func newMemory(int) (*memory, error) {
	return nil, errors.New("memory for keys: is locked and kept out of dumps on Linux only")
}

func (*memory) put([]byte) (secret, error) { return secret{}, errors.ErrUnsupported }
func (*memory) bytes(secret) []byte        { return nil }
func (*memory) wipe(secret)                {}
func (*memory) release() error             { return nil }
