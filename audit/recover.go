package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyd-hsm/keyd/internal/durable"
)

// Recovery is what Open found behind the last checkpoint: nothing after Close,
// and after a crash some records and perhaps some bytes of a write that was cut
// short. Nothing in it needs a hand; the daemon logs it.
type Recovery struct {
	Kept int64  // records after the checkpoint, all kept
	Cut  int64  // bytes removed; no record in them was ever acknowledged
	File string // the segment that Cut was removed from
}

// Open opens the log in dir for writing. A missing log is an error wrapping
// os.ErrNotExist; one that another process has open, durable.ErrLocked; one
// whose files disagree in a way that no crash leaves, a *Fault. It never repairs
// such a log. Its cost is in the records after the last checkpoint: those
// before are only hashed again by Verify.
func Open(dir string) (*Log, Recovery, error) { return standard.open(dir) }

func (tn tuning) open(dir string) (*Log, Recovery, error) {
	if _, err := os.Stat(filepath.Join(dir, checkpointFile)); err != nil {
		return nil, Recovery{}, fmt.Errorf("audit log: %w", err)
	}
	lock, err := durable.Lock(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, Recovery{}, err
	}
	return tn.openLocked(dir, lock)
}

// openLocked opens a log and closes the lock if it cannot.
func (tn tuning) openLocked(dir string, lock *durable.FileLock) (*Log, Recovery, error) {
	l := &Log{dir: dir, lock: lock, tuning: tn, lead: make(chan struct{}, 1), pending: newBatch()}
	rec, err := l.load()
	if err != nil {
		return nil, rec, errors.Join(err, closeIfOpen(l.segment), closeIfOpen(l.hashes), lock.Close())
	}
	l.next = l.tree.size
	l.head = tlog.Tree{N: l.tree.size, Hash: l.tree.root()}
	return l, rec, nil
}

func closeIfOpen(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// load finds the end of the log, refuses a log that was altered, and makes
// durable what a crash left.
func (l *Log) load() (rec Recovery, err error) {
	c, err := readCheckpoint(l.dir)
	if err != nil {
		return rec, err
	}
	l.origin = c.Origin
	if l.hashes, err = os.OpenFile(filepath.Join(l.dir, hashesFile), os.O_RDWR, 0); err != nil {
		return rec, err
	}
	if l.tree, err = readTree(l.hashes, c.N); err != nil || l.tree.root() != c.Hash {
		return rec, &Fault{File: hashesFile, Index: c.N - 1, Why: "hashes do not give the root of the checkpoint"}
	}
	t, err := l.readTail(c)
	if err != nil {
		return rec, err
	}
	rec = Recovery{Kept: l.tree.size - c.N, Cut: t.torn}
	if rec.Cut > 0 {
		rec.File = segmentName(l.first)
	}
	return rec, l.settle(c, t)
}

// tail is what readTail found after the checkpoint.
type tail struct {
	hashes []byte // of the records after the checkpoint
	unsure int64  // offset in the last segment from which records may not be on the medium
	torn   int64  // bytes behind the last record of the last segment, without zeros at its end
}

// readTail reads the records after the checkpoint into the tree and sets the
// log's place to the end of the last. It writes nothing.
func (l *Log) readTail(c Checkpoint) (t tail, err error) {
	info, err := l.hashes.Stat()
	if err != nil {
		return t, err
	}
	sure, err := established(l.hashes, info.Size(), c.N)
	if err != nil {
		return t, err
	}
	firsts, err := l.tailSegments(c)
	if err != nil {
		return t, err
	}
	for i, first := range firsts {
		offset := int64(0)
		if i == 0 {
			offset = c.Offset
		} else if first != l.tree.size {
			return t, &Fault{segmentName(first), 0, l.tree.size, "segment does not begin where the one before ends"}
		}
		l.first, l.offset = first, offset
		t.unsure = offset
		if err := l.readSegment(&t, sure); err != nil {
			return t, err
		}
		if t.torn > 0 && i < len(firsts)-1 {
			return t, l.faultAt(l.tree.size, "not a record, though more segments follow")
		}
	}
	if t.torn, err = written(l.dir, l.first, l.offset); err != nil {
		return t, err
	}
	if l.tree.size < sure {
		return t, l.faultAt(l.tree.size, fmt.Sprintf("log ends here; hashes of %d records are there", sure))
	}
	return t, nil
}

// tailSegments lists the segment in which the checkpoint ends, and those after
// it, and proves that the checkpoint ends at the end of its last record.
func (l *Log) tailSegments(c Checkpoint) ([]int64, error) {
	firsts, err := segments(l.dir)
	if err != nil {
		return nil, err
	}
	i, ok := slices.BinarySearch(firsts, c.Segment)
	if !ok || firsts[0] != 0 {
		return nil, &Fault{segmentName(c.Segment), 0, c.N, "segment is missing"}
	}
	l.first = c.Segment
	if c.Offset == 0 && c.Segment == c.N {
		return firsts[i:], nil // at the beginning of a segment
	}
	last, err := lastRecord(l.dir, c)
	if err != nil {
		return nil, err
	}
	want, err := readHash(l.hashes, tlog.StoredHashIndex(0, c.N-1))
	if err != nil || last == nil || tlog.RecordHash(last) != want {
		return nil, l.faultAt(c.N-1, "not the record with which the checkpoint ends")
	}
	return firsts[i:], nil
}

// lastRecord returns the line that ends where the checkpoint does, or nil.
func lastRecord(dir string, c Checkpoint) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, segmentName(c.Segment)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	start := max(0, c.Offset-MaxRecord-2)
	b := make([]byte, c.Offset-start)
	if _, err := f.ReadAt(b, start); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if len(b) == 0 || c.N == 0 || b[len(b)-1] != '\n' {
		return nil, nil
	}
	b = b[:len(b)-1]
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == '\n' {
			return b[i+1:], nil
		}
	}
	return b, nil
}

// readSegment reads one segment from the log's place to its end. The first sure
// records of the log must be there as their hashes say.
func (l *Log) readSegment(t *tail, sure int64) error {
	s, err := openSegment(l.dir, l.first, l.offset)
	if err != nil {
		return err
	}
	defer s.close()
	info, err := s.f.Stat()
	if err != nil {
		return err
	}
	for {
		record, err := s.next()
		if errors.Is(err, io.EOF) || errors.Is(err, errTorn) {
			break
		}
		if err != nil {
			return err
		}
		if err := l.readRecord(t, record, sure); err != nil {
			return err
		}
		l.offset = s.offset
		if l.tree.size <= sure {
			t.unsure = s.offset
		}
	}
	t.torn = info.Size() - l.offset
	if t.torn < 0 {
		return l.faultAt(l.tree.size, "segment is shorter than the checkpoint says")
	}
	return nil
}

// readRecord adds a record to the tree if the stored hashes do not speak against it.
func (l *Log) readRecord(t *tail, record []byte, sure int64) error {
	index := l.tree.size
	at := tlog.StoredHashCount(index)
	for i, h := range l.tree.add(tlog.RecordHash(record)) {
		t.hashes = append(t.hashes, h[:]...)
		if index >= sure {
			continue
		}
		stored, err := readHash(l.hashes, at+int64(i))
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err == nil && stored != zeroHash && stored != h {
			return l.faultAt(index, "record has another hash than when it was written")
		}
	}
	return nil
}

func (l *Log) faultAt(index int64, why string) *Fault {
	return &Fault{segmentName(l.first), index - l.first + 1, index, why}
}

// settle makes the log durable as it was read. A crash in it leaves what the
// next Open settles again.
func (l *Log) settle(c Checkpoint, t tail) (err error) {
	path := filepath.Join(l.dir, segmentName(l.first))
	if l.segment, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return err
	}
	if err := l.segment.Truncate(l.offset); err != nil {
		return err
	}
	if l.tree.size == c.N && t.torn == 0 && l.first == c.Segment {
		return l.trimHashes()
	}
	// Lines without a hash may be those on which a sync failed. The kernel then
	// holds them as written though the medium lacks them, and would have nothing
	// to do at the next sync: so they are written again.
	if err := rewrite(l.segment, t.unsure, l.offset); err != nil {
		return err
	}
	if err := l.sync(l.segment); err != nil {
		return err
	}
	if err := l.writeAt(l.hashes, t.hashes, tlog.StoredHashCount(c.N)*tlog.HashSize); err != nil {
		return err
	}
	if err := l.trimHashes(); err != nil {
		return err
	}
	return l.checkpoint()
}

// trimHashes cuts what stands behind the last hash: zeros, or a part of one.
func (l *Log) trimHashes() error {
	return l.hashes.Truncate(tlog.StoredHashCount(l.tree.size) * tlog.HashSize)
}

// rewrite writes the bytes from start to end of a file over themselves.
func rewrite(f *os.File, start, end int64) error {
	buf := make([]byte, min(end-start, 1<<20))
	for start < end {
		b := buf[:min(int64(len(buf)), end-start)]
		if _, err := f.ReadAt(b, start); err != nil {
			return err
		}
		if _, err := f.WriteAt(b, start); err != nil {
			return err
		}
		start += int64(len(b))
	}
	return nil
}
