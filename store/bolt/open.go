package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

const (
	// lockWait is how long Open waits for another process to let go: long
	// enough for one that is just closing, short enough to be told soon.
	lockWait = time.Second

	// mapSize is the address space reserved for the file. bbolt moves its map
	// when the file outgrows it, and to do so waits for every View and holds up
	// new ones. One gigabyte is state for a million keys; it costs no memory.
	mapSize = 1 << 30

	// allocSize is by how much the file grows at a time, in bytes.
	allocSize = 1 << 20

	// format names the layout of the file: keys and values in stateBucket.
	format = "keyd-state/1"
)

var (
	metaBucket  = []byte("keyd")
	stateBucket = []byte("state")
	formatKey   = []byte("format")
)

// Create makes a new, empty state file at path and opens it. It refuses with
// ErrExists to overwrite anything. The file appears under its name whole: a
// crash leaves nothing at path, at most a "path.new" that the next Create removes.
func Create(path string) (*DB, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s: %w", path, ErrExists)
	}
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := makeFile(tmp); err != nil {
		return nil, err
	}
	if err := publish(tmp, path); err != nil {
		return nil, err
	}
	return Open(path)
}

// makeFile writes an empty state file.
func makeFile(path string) error {
	db, _, err := openBolt(path, os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	err = db.Update(func(t *bbolt.Tx) error {
		meta, err := t.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		if _, err := t.CreateBucket(stateBucket); err != nil {
			return err
		}
		return meta.Put(formatKey, []byte(format))
	})
	return errors.Join(err, db.Close())
}

// publish gives a finished file its name. A link, unlike a rename, refuses to
// replace what may have come there meanwhile.
func publish(tmp, path string) error {
	if err := os.Link(tmp, path); err != nil {
		if errors.Is(err, os.ErrExist) {
			err = ErrExists
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.Remove(tmp); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Open opens the state file at path. A missing file is an error wrapping
// os.ErrNotExist; one that another process has open is ErrLocked after about a
// second; one that is not a whole state file is ErrDamaged.
func Open(path string) (*DB, error) {
	b, f, err := openBolt(path, 0)
	if err != nil {
		return nil, err
	}
	d := &DB{bolt: b, file: f, writer: make(chan struct{}, 1)}
	if err := guard(d.checkFormat); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), b.Close())
	}
	return d, nil
}

// openBolt opens the file with bbolt, which would make it if it could; flag
// says whether it may. The handle is bbolt's own.
func openBolt(path string, flag int) (db *bbolt.DB, f *os.File, err error) {
	options := &bbolt.Options{
		Timeout:         lockWait,
		InitialMmapSize: mapSize,
		// The array list hands out the lowest free page, which keeps the file small.
		FreelistType: bbolt.FreelistArrayType,
		OpenFile: func(name string, asked int, mode os.FileMode) (*os.File, error) {
			var err error
			f, err = os.OpenFile(name, asked&^os.O_CREATE|flag, mode)
			if err == nil && flag == 0 {
				err = refuseShort(f)
			}
			return f, err
		},
	}
	err = guard(func() (err error) {
		db, err = bbolt.Open(path, 0o600, options)
		return err
	})
	switch {
	case err == nil:
		db.AllocSize = allocSize
		return db, f, nil
	case errors.Is(err, berrors.ErrTimeout):
		err = ErrLocked
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if f != nil {
		// After a panic bbolt has let nothing go. Its map keeps the file open
		// for as long as the process lives, so the lock must go by itself. Where
		// bbolt has closed the file already, neither call does anything.
		_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
		f.Close()
	}
	return nil, nil, fmt.Errorf("%s: %w", path, err)
}

// minFile is the size of the two pages of 4 KiB with which bbolt begins a file.
const minFile = 2 * 4096

// refuseShort keeps bbolt from taking an emptied file for a new one.
func refuseShort(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < minFile {
		return fmt.Errorf("%w: it has only %d bytes", ErrDamaged, info.Size())
	}
	return nil
}

// checkFormat refuses files that bbolt can read but keyd did not write, or that
// are shorter than they say.
func (d *DB) checkFormat() error {
	return d.bolt.View(func(t *bbolt.Tx) error {
		info, err := d.file.Stat()
		if err != nil {
			return err
		}
		if info.Size() < t.Size() {
			return fmt.Errorf("%w: %d bytes of %d", ErrDamaged, info.Size(), t.Size())
		}
		meta := t.Bucket(metaBucket)
		if meta == nil || t.Bucket(stateBucket) == nil {
			return fmt.Errorf("%w: not made by keyd", ErrDamaged)
		}
		if got := meta.Get(formatKey); string(got) != format {
			return fmt.Errorf("%w: format %.40q; this keyd reads %q", ErrDamaged, got, format)
		}
		return nil
	})
}

// guard turns what bbolt does on damaged pages, a panic or a read beyond the
// end of the file, into ErrDamaged.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return fn()
}
