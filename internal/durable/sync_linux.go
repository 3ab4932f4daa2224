package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// SyncData makes a file's content and length durable, not its timestamps: one
// journal write less than [os.File.Sync].
func SyncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync "+f.Name(), err)
		}
	}
}
