package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	hashesFile = "hashes"
	lockFile   = "lock"

	fileMode os.FileMode = 0o600
	dirMode  os.FileMode = 0o700

	segmentPrefix, segmentSuffix = "entries-", ".jsonl"
)

func segmentName(first int64) string {
	return fmt.Sprintf("%s%020d%s", segmentPrefix, first, segmentSuffix)
}

func parseSegmentName(name string) (first int64, err error) {
	digits := strings.TrimSuffix(strings.TrimPrefix(name, segmentPrefix), segmentSuffix)
	first, err = strconv.ParseInt(digits, 10, 64)
	if err != nil || first < 0 || first > maxSize || segmentName(first) != name {
		return 0, fmt.Errorf("%q: not the name of a segment", name)
	}
	return first, nil
}

// segments lists the first indexes of the segments in a log, in order.
func segments(dir string) ([]int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var firsts []int64
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), segmentPrefix) || !strings.HasSuffix(e.Name(), segmentSuffix) {
			continue
		}
		first, err := parseSegmentName(e.Name())
		if err != nil {
			return nil, &Fault{File: e.Name(), Index: -1, Why: "not the name of a segment"}
		}
		firsts = append(firsts, first)
	}
	slices.Sort(firsts)
	return firsts, nil
}

// errTorn: what follows is not a whole record.
var errTorn = errors.New("not a whole record")

// scanner reads the records of one segment.
type scanner struct {
	f      *os.File
	r      *bufio.Reader
	first  int64 // index of the segment's first record
	offset int64 // behind the last record read, in bytes
}

// openSegment reads the segment that begins with record first, from offset on.
func openSegment(dir string, first, offset int64) (*scanner, error) {
	f, err := os.Open(filepath.Join(dir, segmentName(first)))
	if err != nil {
		return nil, err
	}
	s := &scanner{f: f, first: first, offset: offset}
	if err := s.rewind(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// next returns the next record, valid until the next call; io.EOF at the end;
// or errTorn when bytes are left that are no record. After either, rewind
// makes it look again.
func (s *scanner) next() ([]byte, error) {
	line, err := s.r.ReadSlice('\n')
	switch {
	case err == io.EOF && len(line) == 0:
		return nil, io.EOF
	case err == io.EOF, errors.Is(err, bufio.ErrBufferFull):
		return nil, errTorn
	case err != nil:
		return nil, err
	}
	record := line[:len(line)-1]
	if checkRecord(record) != nil {
		return nil, errTorn
	}
	s.offset += int64(len(line))
	return record, nil
}

// rewind goes back behind the last record.
func (s *scanner) rewind() error {
	if _, err := s.f.Seek(s.offset, io.SeekStart); err != nil {
		return err
	}
	if s.r == nil {
		s.r = bufio.NewReaderSize(s.f, MaxRecord+1)
	}
	s.r.Reset(s.f)
	return nil
}

// written is the length of what stands behind offset in a segment, without the
// zeros at its end, which are space for records to come.
func written(dir string, first, offset int64) (int64, error) {
	f, err := os.Open(filepath.Join(dir, segmentName(first)))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	last, at := int64(0), int64(0)
	buf := make([]byte, len(zeros))
	for {
		n, err := f.Read(buf)
		if m := len(bytes.TrimRight(buf[:n], "\x00")); m > 0 {
			last = at + int64(m)
		}
		at += int64(n)
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

func (s *scanner) close() error { return s.f.Close() }

// fault names the place where the record of that index should be.
func (s *scanner) fault(index int64, why string) *Fault {
	return &Fault{File: segmentName(s.first), Line: index - s.first + 1, Index: index, Why: why}
}
