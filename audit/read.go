package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Entry is one record with its index.
type Entry struct {
	Index int64
	// Record is valid until the next entry is read.
	Record []byte
}

// followEvery is how often Follow looks for more: often enough for a person
// who watches, and nothing to a machine.
const followEvery = 200 * time.Millisecond

// Records yields the durable records from an index on, up to those durable when
// the loop begins. An error is yielded last, with an empty Entry.
func (l *Log) Records(from int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		size := l.Size()
		for e, err := range Read(l.dir, from) {
			if err == nil && e.Index >= size || !yield(e, err) {
				return
			}
		}
	}
}

// ContainsSince reports whether a durable record from an index on is the event
// with that id.
func (l *Log) ContainsSince(index int64, eventID string) (bool, error) {
	for e, err := range l.Records(index) {
		if err != nil {
			return false, err
		}
		// Cheap first: but the id may stand anywhere in another event.
		if !bytes.Contains(e.Record, []byte(eventID)) {
			continue
		}
		var event struct {
			EventID string `json:"eventID"`
		}
		if err := json.Unmarshal(e.Record, &event); err == nil && event.EventID == eventID {
			return true, nil
		}
	}
	return false, nil
}

// Read yields the records of the log in dir from an index on, from the files
// alone, also while another process writes them: then the last ones may not be
// durable yet. It ends before the first line at the end that is no whole
// record. It verifies nothing. An error is yielded last, with an empty Entry.
func Read(dir string, from int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		c, err := openCursor(dir, from)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer c.close()
		for {
			e, err := c.next()
			if errors.Is(err, io.EOF) || !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Follow is Read that goes on with records as they come, until ctx ends.
func Follow(ctx context.Context, dir string, from int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		c, err := openCursor(dir, from)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer c.close()
		for ctx.Err() == nil {
			e, err := c.next()
			if errors.Is(err, io.EOF) {
				select {
				case <-ctx.Done():
				case <-time.After(followEvery):
				}
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Count returns the number of records in the log in dir, from the files alone.
// It reads the last segment only.
func Count(dir string) (int64, error) {
	firsts, err := segments(dir)
	if err != nil || len(firsts) == 0 {
		return 0, errors.Join(err, missing(dir, firsts))
	}
	n := firsts[len(firsts)-1]
	for _, err := range Read(dir, n) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

func missing(dir string, firsts []int64) error {
	if len(firsts) > 0 {
		return nil
	}
	return &os.PathError{Op: "open", Path: filepath.Join(dir, segmentName(0)), Err: os.ErrNotExist}
}

// cursor walks over the segments of a log.
type cursor struct {
	dir   string
	scan  *scanner
	from  int64 // records before it are passed over
	index int64 // of the next record
}

// openCursor begins in the last segment that can hold the record from.
func openCursor(dir string, from int64) (*cursor, error) {
	firsts, err := segments(dir)
	if err := errors.Join(err, missing(dir, firsts)); err != nil {
		return nil, err
	}
	i, found := slices.BinarySearch(firsts, from)
	if !found && i > 0 {
		i--
	}
	scan, err := openSegment(dir, firsts[i], 0)
	if err != nil {
		return nil, err
	}
	return &cursor{dir, scan, from, firsts[i]}, nil
}

// next returns the next record, or io.EOF when there is none yet.
func (c *cursor) next() (Entry, error) {
	for {
		record, err := c.scan.next()
		if errors.Is(err, io.EOF) || errors.Is(err, errTorn) {
			record, err = c.nextSegment()
		}
		if err != nil {
			return Entry{}, err
		}
		if record == nil {
			continue
		}
		c.index++
		if c.index > c.from {
			return Entry{c.index - 1, record}, nil
		}
	}
}

// nextSegment goes on behind the end of a segment: with the segment that begins
// there; or, if there is none, by looking at the same end again. A nil record
// without an error means that there is a new segment to read.
func (c *cursor) nextSegment() ([]byte, error) {
	firsts, err := segments(c.dir)
	if err != nil {
		return nil, err
	}
	i, found := slices.BinarySearch(firsts, c.index)
	if found && c.index != c.scan.first {
		scan, err := openSegment(c.dir, c.index, 0)
		if err != nil {
			return nil, err
		}
		c.scan.close()
		c.scan = scan
		return nil, nil
	}
	if err := c.scan.rewind(); err != nil {
		return nil, err
	}
	// A writer may have added records and begun a segment since the end was
	// seen. It does so in this order, so that now they are seen.
	record, err := c.scan.next()
	if errors.Is(err, errTorn) {
		err = io.EOF
	}
	if errors.Is(err, io.EOF) {
		if found {
			i++
		}
		if i < len(firsts) {
			return nil, c.scan.fault(c.index, "records are missing, though more segments follow")
		}
		if err := c.scan.rewind(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	return record, err
}

func (c *cursor) close() { c.scan.close() }
