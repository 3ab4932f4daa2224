package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyd-hsm/keyd/internal/durable"
)

const (
	// maxSegment closes a segment, in bytes: small enough to move and grep.
	maxSegment = 64 << 20
	// checkpointEvery bounds what Open must hash after a crash, in bytes of
	// records: some 10 ms.
	checkpointEvery = 8 << 20
	// ahead is how far a segment is filled with zeros before records get there, in
	// bytes. To sync bytes that replace others takes the disk half the time of
	// bytes that make a file longer, which the file system has to note.
	ahead = 1 << 20
	// maxBatch bounds what waits for one write, in bytes; beyond it Add waits.
	maxBatch = 4 << 20
)

// Log is an audit log open for writing. Every method is safe for concurrent use.
type Log struct {
	dir    string
	origin string
	lock   *durable.FileLock
	tuning

	// lead holds a token while one goroutine, the leader, commits for all.
	lead chan struct{}

	// Owned by the leader.
	segment     *os.File
	first       int64 // index of the segment's first record
	offset      int64 // end of the segment's records
	filled      int64 // end of its zeros; what is below has its place on the disk
	hashes      *os.File
	tree        tree
	uncheckedBy int64 // bytes of records since the last checkpoint
	hashesErr   error // why the hashes file is behind the records
	spare       batch // space of the last batch, for the next

	mu      sync.Mutex
	next    int64     // guarded by mu, as all below: index of the next record
	pending *batch    // takes records; never nil
	head    tlog.Tree // of the durable records
	failed  error     // wraps ErrBroken or ErrClosed once it is over
}

// tuning is what tests set otherwise: sizes, and the two calls that make
// records durable.
type tuning struct {
	maxSegment, checkpointEvery int64
	ahead                       int64
	writeAt                     func(f *os.File, b []byte, off int64) error
	sync                        func(f *os.File) error
}

var standard = tuning{
	maxSegment:      maxSegment,
	checkpointEvery: checkpointEvery,
	ahead:           ahead,
	writeAt: func(f *os.File, b []byte, off int64) error {
		_, err := f.WriteAt(b, off)
		return err
	},
	sync: durable.SyncData,
}

// Create makes an empty log in dir, which it makes too if need be, and opens it.
// origin names the log in its checkpoints: one line of printable text, such as
// "keyd.example/audit/111122223333". It refuses with ErrExists to overwrite a log.
func Create(dir, origin string) (*Log, error) { return standard.create(dir, origin) }

func (tn tuning) create(dir, origin string) (*Log, error) {
	if err := checkOrigin(origin); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, err
	}
	lock, err := durable.Lock(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	if err := createFiles(dir, origin); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	l, _, err := tn.openLocked(dir, lock)
	return l, err
}

// createFiles makes the files of an empty log. The checkpoint comes last: with
// it the log is there, and without it a crash has left only empty files, which
// the next Create takes over.
func createFiles(dir, origin string) error {
	if _, err := os.Lstat(filepath.Join(dir, checkpointFile)); err == nil {
		return fmt.Errorf("%s: %w", dir, ErrExists)
	}
	firsts, err := segments(dir)
	if err != nil {
		return err
	}
	if len(firsts) > 1 || len(firsts) == 1 && firsts[0] != 0 {
		return fmt.Errorf("%s: %w, without its checkpoint", dir, ErrExists)
	}
	for _, name := range []string{segmentName(0), hashesFile} {
		if err := makeEmpty(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	// The directory's own name must last as well.
	if err := durable.SyncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	return writeCheckpoint(dir, Checkpoint{Origin: origin, Tree: tlog.Tree{Hash: new(tree).root()}})
}

// makeEmpty makes a file, or accepts one that is empty.
func makeEmpty(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, fileMode)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != 0 {
		err = fmt.Errorf("%s: %w, without its checkpoint", path, ErrExists)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Origin is the name that the log was made with.
func (l *Log) Origin() string { return l.origin }

// Size is the number of durable records.
func (l *Log) Size() int64 { return l.Root().N }

// Root is the size and root hash of the tree of the durable records.
func (l *Log) Root() tlog.Tree {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// Err returns nil while the log accepts records, and otherwise why it does not:
// an error wrapping ErrBroken or ErrClosed.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// Close makes durable what was added, writes a checkpoint and closes the files.
// A second Close does nothing.
func (l *Log) Close() error {
	l.lead <- struct{}{}
	defer func() { <-l.lead }()
	b, failed := l.take(fmt.Errorf("%s: %w", l.dir, ErrClosed))
	if errors.Is(failed, ErrClosed) {
		return nil
	}
	err := failed
	if failed == nil {
		err = l.write(b)
	}
	b.finish(err)
	switch {
	case failed != nil:
		err = nil // Err has told it before; only the closing is left to do
	case err == nil:
		err = errors.Join(l.segment.Truncate(l.offset), l.checkpoint())
	}
	return errors.Join(err, l.segment.Close(), l.hashes.Close(), l.lock.Close())
}
