// Package audit is the record of every call: events of CloudTrail's form in an
// append-only log whose entries form a Merkle tree.
//
// Most callers need two calls: [Log.Append] returns when a record is durable;
// [Verify] proves from the files alone that nothing in a log was changed,
// removed or reordered, and says where if it was.
//
// What was acknowledged survives kill -9 and power cuts; what the disk would not
// take breaks the log, loudly, rather than being lost ([ErrBroken]). The format
// of the files is specified in docs/spec/audit-log.md.
package audit

import (
	"errors"
	"fmt"
)

var (
	// ErrBroken: a write or sync failed earlier. Nothing more is accepted;
	// reopening the log keeps all that was acknowledged.
	ErrBroken = errors.New("audit log broken")
	// ErrClosed: the log was closed.
	ErrClosed = errors.New("audit log is closed")
	// ErrExists: Create found a log.
	ErrExists = errors.New("audit log exists already")
	// ErrTampered: the files disagree in a way that no crash leaves. See [Fault].
	ErrTampered = errors.New("audit log altered")
	// ErrRecord: a record that the log does not take.
	ErrRecord = errors.New("not a log record")
)

// Fault is the first place where a log is not what it was. It wraps ErrTampered.
type Fault struct {
	File  string // name in the log's directory
	Line  int64  // from 1; 0 where the file has no lines
	Index int64  // of the record, from 0; -1 where it concerns none
	Why   string
}

func (f *Fault) Error() string {
	at := f.File
	if f.Line > 0 {
		at += fmt.Sprintf(":%d", f.Line)
	}
	if f.Index >= 0 {
		at += fmt.Sprintf(": record %d", f.Index)
	}
	return fmt.Sprintf("%v: %s: %s", ErrTampered, at, f.Why)
}

func (f *Fault) Unwrap() error { return ErrTampered }

// MaxRecord is the size limit of one record in bytes, as CloudTrail's for an event.
const MaxRecord = 256 << 10

// checkRecord refuses what would not be one line.
func checkRecord(record []byte) error {
	if len(record) == 0 || len(record) > MaxRecord {
		return fmt.Errorf("%w: %d bytes, allowed are 1 to %d", ErrRecord, len(record), MaxRecord)
	}
	for i, b := range record {
		if b < 0x20 {
			return fmt.Errorf("%w: control character at byte %d", ErrRecord, i)
		}
	}
	return nil
}
