//go:build !linux

package durable

import "os"

// SyncData makes a file's content and length durable.
func SyncData(f *os.File) error { return f.Sync() }
