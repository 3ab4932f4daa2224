package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
)

// Report is what Verify found.
type Report struct {
	// Origin is the name in the checkpoint. Compare it with the name expected:
	// files alone do not prove it.
	Origin     string
	Tree       tlog.Tree // size and root of all whole records
	Checkpoint tlog.Tree // of those that the checkpoint covers
	Segments   int
	Unhashed   int64 // records at the end whose hashes are not in the file yet
	Torn       int64 // bytes behind the last record, but for zeros at the end: a write at work or cut short
}

// Verify proves, from the files alone, that the records of the log in dir are
// those that were written, in that order, as far as the checkpoint and the
// hashes go. The first place where they are not is returned as a *Fault; other
// errors mean that files could not be read.
//
// It writes nothing and needs no lock, so it works beside a writer and on a
// copy. A copy made beside a writer must be made in the order checkpoint,
// hashes, segments, or of a snapshot; otherwise what was added meanwhile looks
// as if it had been removed.
func Verify(dir string) (Report, error) {
	v := verifier{dir: dir}
	err := v.run()
	v.report.Tree = tlog.Tree{N: v.tree.size, Hash: v.tree.root()}
	return v.report, err
}

type verifier struct {
	dir    string
	report Report
	cp     Checkpoint
	sure   int64 // records that must be there
	hashes *os.File
	stored *bufio.Reader // the hashes from the next record's on
	scan   *scanner      // the segment being read
	tree   tree

	position bool      // the checkpoint's position is where its last record ends
	root     bool      // the records give the checkpoint's root
	bad      *mismatch // the first, if any
}

// mismatch is a record whose hash is not the stored one.
type mismatch struct {
	fault *Fault
	leaf  tlog.Hash // of the record found
	next  tlog.Hash // of the record after it
	inner bool      // the record's hash is right, that of a subtree is not
}

func (v *verifier) run() (err error) {
	// In this order, each later one can only be ahead of the one before.
	if v.cp, err = readCheckpoint(v.dir); err != nil {
		return err
	}
	v.report.Origin, v.report.Checkpoint = v.cp.Origin, v.cp.Tree
	if err := v.openHashes(); err != nil {
		return err
	}
	defer v.hashes.Close()
	firsts, err := segments(v.dir)
	if err != nil {
		return err
	}
	v.report.Segments = len(firsts)
	v.reached(0, 0)
	fault := v.readSegments(firsts)
	if fault != nil && !errors.Is(fault, ErrTampered) {
		return fault
	}
	return v.judge(fault)
}

func (v *verifier) openHashes() (err error) {
	if v.hashes, err = os.Open(filepath.Join(v.dir, hashesFile)); err != nil {
		return err
	}
	info, err := v.hashes.Stat()
	if err == nil {
		v.sure, err = established(v.hashes, info.Size(), v.cp.N)
	}
	if err != nil {
		return errors.Join(err, v.hashes.Close())
	}
	// Only what was there when its length was read: see run.
	v.stored = bufio.NewReaderSize(io.NewSectionReader(v.hashes, 0, info.Size()), 64<<10)
	return nil
}

// readSegments reads all records. A Fault means that reading cannot go on.
func (v *verifier) readSegments(firsts []int64) error {
	if len(firsts) == 0 || firsts[0] != 0 {
		return &Fault{segmentName(0), 0, 0, "segment is missing"}
	}
	for i, first := range firsts {
		if first != v.tree.size {
			return v.scan.fault(v.tree.size, fmt.Sprintf("segment ends here, and the next begins with record %d", first))
		}
		if v.scan != nil {
			v.scan.close()
		}
		var err error
		if v.scan, err = openSegment(v.dir, first, 0); err != nil {
			return err
		}
		v.reached(first, 0)
		if err := v.readSegment(i == len(firsts)-1); err != nil {
			return errors.Join(err, v.scan.close())
		}
	}
	return v.scan.close()
}

func (v *verifier) readSegment(last bool) error {
	for {
		record, err := v.scan.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errTorn) && last && v.tree.size >= v.sure:
			v.report.Torn, err = written(v.dir, v.scan.first, v.scan.offset)
			return err
		case errors.Is(err, errTorn):
			return v.scan.fault(v.tree.size, "line is not a record")
		case err != nil:
			return err
		}
		if err := v.readRecord(record); err != nil {
			return err
		}
	}
}

// readRecord compares a record's hashes with the stored ones.
func (v *verifier) readRecord(record []byte) error {
	index, leaf := v.tree.size, tlog.RecordHash(record)
	if v.bad != nil && v.bad.fault.Index == index-1 {
		v.bad.next = leaf
	}
	unhashed := false
	for level, h := range v.tree.add(leaf) {
		var stored tlog.Hash
		_, err := io.ReadFull(v.stored, stored[:])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
		switch {
		case index >= v.cp.N && (err != nil || stored == zeroHash):
			unhashed = true
		case stored != h && v.bad == nil:
			fault := &Fault{segmentName(v.scan.first), index - v.scan.first + 1, index, ""}
			v.bad = &mismatch{fault: fault, leaf: leaf, inner: level > 0}
		}
	}
	if unhashed {
		v.report.Unhashed++
	}
	v.reached(v.scan.first, v.scan.offset)
	return nil
}

// reached compares with the checkpoint when as many records have been read.
func (v *verifier) reached(segment, offset int64) {
	if v.tree.size == v.cp.N {
		v.root = v.tree.root() == v.cp.Hash
		v.position = v.position || segment == v.cp.Segment && offset == v.cp.Offset
	}
}

// judge says which file is at fault, and where. unread is why reading ended early.
func (v *verifier) judge(unread error) error {
	size := v.tree.size
	switch {
	case v.bad != nil && (v.bad.inner || v.root && v.bad.fault.Index < v.cp.N):
		// The record is as it was: its own hash, or the root above it, says so.
		return &Fault{hashesFile, 0, v.bad.fault.Index, "stored hashes are not those of the record"}
	case v.bad != nil:
		v.bad.fault.Why = v.explain()
		return v.bad.fault
	case unread != nil:
		return unread
	case size < v.sure:
		return v.scan.fault(size, fmt.Sprintf("log ends here; it had %d records or more", v.sure))
	case !v.root:
		return &Fault{checkpointFile, 3, v.cp.N, "root is not that of the records, with which the hashes agree"}
	case !v.position:
		return &Fault{checkpointFile, 4, v.cp.N, "position is not where the covered records end"}
	}
	return nil
}

// explain says what became of the record at the first mismatch, by looking for
// what stands there among the stored hashes.
func (v *verifier) explain() string {
	at := v.bad.fault.Index
	want, _ := v.leaf(at)
	found := int64(-1)
	for i := range v.sure {
		h, err := v.leaf(i)
		if err != nil {
			break // no more hashes, whatever the checkpoint claims; the fault stands
		}
		if h == v.bad.leaf {
			found = i
			break
		}
	}
	switch {
	case found > at && v.bad.next == want:
		return fmt.Sprintf("records were reordered: here stands record %d", found)
	case found > at:
		return fmt.Sprintf("records were removed: here stands record %d", found)
	case found >= 0:
		return fmt.Sprintf("record %d stands here again", found)
	case v.bad.next == want:
		return "record was inserted"
	}
	return "record was changed"
}

func (v *verifier) leaf(index int64) (tlog.Hash, error) {
	return readHash(v.hashes, tlog.StoredHashIndex(0, index))
}
