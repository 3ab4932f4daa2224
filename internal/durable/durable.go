// Package durable writes files that survive a power cut: what a call here has
// reported as done is on the medium, and a crash in between leaves the old
// state or the new one, never a mixture.
//
// Most callers need two calls: [WriteFile] replaces a small file atomically;
// [Lock] keeps a second process away from a directory.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// WriteFile replaces the file at path with data, or makes it. On return the new
// content is durable; after a crash there is the old content or the new. The
// directory must exist.
//
// A crash may leave a file beside path whose name ends in ".tmp". It holds
// nothing that anyone needs, and the next WriteFile of that path overwrites it.
// Only one process at a time may write a path: see [Lock].
func WriteFile(path string, data []byte, mode os.FileMode) error {
	tmp := path + ".tmp"
	if err := writeSynced(tmp, data, mode); err != nil {
		return errors.Join(err, removeIfThere(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, removeIfThere(tmp))
	}
	// The rename stands in the directory, not in the file: until the directory
	// is synced a power cut may bring the old name back.
	return SyncDir(filepath.Dir(path))
}

// writeSynced writes a whole file and syncs it, content and length.
func writeSynced(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		// A leftover of an earlier crash keeps its mode when it is reopened.
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// SyncDir makes the names in a directory durable: files made, renamed and
// removed before the call.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
