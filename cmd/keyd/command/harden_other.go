//go:build !linux

package command

import "syscall"

// harden keeps secrets out of core dumps.
func harden() error {
	return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
}
