package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyd-hsm/keyd/internal/durable"
)

// batch is the records that become durable with one write and one sync.
type batch struct {
	lines  []byte
	leaves []tlog.Hash
	done   chan struct{} // closed when the batch has been decided
	err    error         // valid once done is closed
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

func (b *batch) finish(err error) {
	b.err = err
	close(b.done)
}

// Ticket is a record's place in the log before the record is durable.
type Ticket struct {
	log   *Log
	batch *batch
	index int64
}

// Index is the record's index. It is final only when Wait has returned nil.
func (t *Ticket) Index() int64 { return t.index }

// Wait returns nil when the record is durable, or an error wrapping ErrBroken
// when it may not be; then it may or may not be in the log after the next Open.
func (t *Ticket) Wait() error { return t.log.wait(t.batch) }

// Append adds a record at the end and returns its index when it is durable.
func (l *Log) Append(record []byte) (index int64, err error) {
	t, err := l.Add(record)
	if err != nil {
		return 0, err
	}
	return t.Index(), t.Wait()
}

// Add fixes the place of a record, after all added before, and returns at once;
// only when 4 MiB are waiting it waits for the disk. The record is copied. It
// becomes durable when somebody waits for it or a later one, or at Close.
// Records that are no line of 1 byte to MaxRecord are refused with ErrRecord.
func (l *Log) Add(record []byte) (*Ticket, error) {
	if err := checkRecord(record); err != nil {
		return nil, err
	}
	leaf := tlog.RecordHash(record)
	for {
		t, full, err := l.enqueue(record, leaf)
		if full == nil {
			return t, err
		}
		if err := l.wait(full); err != nil {
			return nil, err
		}
	}
}

// enqueue adds to the pending batch, or returns that batch if it is full.
func (l *Log) enqueue(record []byte, leaf tlog.Hash) (t *Ticket, full *batch, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.pending
	switch {
	case l.failed != nil:
		return nil, nil, l.failed
	case len(b.lines) >= maxBatch:
		return nil, b, nil
	}
	b.lines = append(append(b.lines, record...), '\n')
	b.leaves = append(b.leaves, leaf)
	t = &Ticket{l, b, l.next}
	l.next++
	return t, nil, nil
}

// wait returns when b is decided. Whoever comes first leads: it commits all
// that has been added by then, while later comers gather in the next batch.
func (l *Log) wait(b *batch) error {
	select {
	case <-b.done:
		return b.err
	case l.lead <- struct{}{}:
	}
	defer func() { <-l.lead }()
	select {
	case <-b.done: // by the leader before
	default:
		// Those that can run now may add their records first: with many at work
		// a sync then serves many; alone, this costs nothing.
		runtime.Gosched()
		// Batches are decided in order, so b is the pending one.
		l.commit()
	}
	return b.err
}

// commit decides the pending batch. Leader only.
func (l *Log) commit() {
	b, err := l.take(nil)
	if err == nil {
		err = l.write(b)
	}
	l.spare.lines, l.spare.leaves = b.lines[:0], b.leaves[:0]
	b.finish(err)
	if err == nil && l.uncheckedBy >= l.checkpointEvery {
		// Those who waited have gone. An error here breaks the log for later ones.
		_ = l.checkpoint()
	}
}

// take removes the pending batch. If the log has failed it returns why; if not,
// end is why from now on. Leader only.
func (l *Log) take(end error) (*batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, failed := l.pending, l.failed
	l.pending = newBatch()
	l.pending.lines, l.pending.leaves = l.spare.lines, l.spare.leaves
	l.spare.lines, l.spare.leaves = nil, nil
	if end != nil && !errors.Is(failed, ErrClosed) {
		l.failed = end
	}
	return b, failed
}

// write makes a batch durable. Leader only. A crash in it leaves some of its
// bytes behind the durable ones; Open keeps whole lines and cuts the rest.
func (l *Log) write(b *batch) error {
	if len(b.leaves) == 0 {
		return nil
	}
	if l.offset > 0 && l.offset+int64(len(b.lines)) > l.maxSegment {
		if err := l.rotate(); err != nil {
			return l.fail(err)
		}
	}
	if err := l.fill(l.offset + int64(len(b.lines))); err != nil {
		return l.fail(err)
	}
	if err := l.writeAt(l.segment, b.lines, l.offset); err != nil {
		return l.fail(err)
	}
	if err := l.sync(l.segment); err != nil {
		return l.fail(err)
	}
	// The records are durable: from here on the answer is yes, even if their
	// hashes, which Open can compute again, do not get to the file.
	l.offset += int64(len(b.lines))
	l.uncheckedBy += int64(len(b.lines))
	l.store(b.leaves)
	return nil
}

// zeros is what segments are filled with.
var zeros [64 << 10]byte

// fill makes the segment longer when records up to end would: with zeros, which
// no record holds, so that readers end before them. They become durable with the
// records, or not, which is the same.
func (l *Log) fill(end int64) error {
	if end <= l.filled {
		return nil
	}
	for at, to := end, end+l.ahead; at < to; {
		n := min(to-at, int64(len(zeros)))
		if err := l.writeAt(l.segment, zeros[:n], at); err != nil {
			return err
		}
		at += n
	}
	l.filled = end + l.ahead
	return nil
}

// store adds durable records to the tree and its hashes to the file.
func (l *Log) store(leaves []tlog.Hash) {
	at := tlog.StoredHashCount(l.tree.size) * tlog.HashSize
	var buf []byte
	for _, leaf := range leaves {
		for _, h := range l.tree.add(leaf) {
			buf = append(buf, h[:]...)
		}
	}
	head := tlog.Tree{N: l.tree.size, Hash: l.tree.root()}
	l.mu.Lock()
	l.head = head
	l.mu.Unlock()
	if err := l.writeAt(l.hashes, buf, at); err != nil {
		l.hashesErr = l.fail(err) // told by Err and to the next who come
	}
}

// rotate begins a new segment. All before is durable; the checkpoint says so. Only
// the last segment may have zeros behind its records.
func (l *Log) rotate() error {
	if err := l.segment.Truncate(l.offset); err != nil {
		return err
	}
	if err := l.sync(l.segment); err != nil {
		return err
	}
	if err := l.checkpoint(); err != nil {
		return err
	}
	path := filepath.Join(l.dir, segmentName(l.tree.size))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	// Until its name is durable, records in it are not.
	if err := durable.SyncDir(l.dir); err != nil {
		return errors.Join(err, f.Close())
	}
	old := l.segment
	l.segment, l.first, l.offset, l.filled = f, l.tree.size, 0, 0
	return old.Close()
}

// checkpoint writes down what is durable now, so that Open need not look
// before it. Leader only.
func (l *Log) checkpoint() error {
	if l.hashesErr != nil {
		return l.hashesErr
	}
	if err := l.sync(l.hashes); err != nil {
		return l.fail(err)
	}
	c := Checkpoint{l.origin, tlog.Tree{N: l.tree.size, Hash: l.tree.root()}, l.first, l.offset}
	if err := writeCheckpoint(l.dir, c); err != nil {
		return l.fail(err)
	}
	l.uncheckedBy = 0
	return nil
}

// fail breaks the log for good: after a failed write or sync nobody knows what
// the disk holds, and a sync that succeeds later proves nothing, since the
// kernel reports a lost write once.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !errors.Is(err, ErrBroken) {
		err = fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if l.failed == nil {
		l.failed = err
	}
	return err
}
