package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyd-hsm/keyd/internal/durable"
)

// Checkpoint says what a log was at some moment: the body of a C2SP
// tlog-checkpoint with one extension line.
type Checkpoint struct {
	Origin string // the name of the log
	tlog.Tree
	// The covered records end Offset bytes into the segment whose first record
	// is Segment.
	Segment, Offset int64
}

const checkpointFile = "checkpoint"

// maxCheckpoint bounds the file in bytes; signatures will need some of it.
const maxCheckpoint = 64 << 10

var errCheckpoint = errors.New("not a checkpoint")

// String gives the one form that ParseCheckpoint takes.
func (c Checkpoint) String() string {
	return fmt.Sprintf("%s\n%d\n%s\nposition %s %d\n", c.Origin, c.N, c.Hash, segmentName(c.Segment), c.Offset)
}

// ParseCheckpoint reads what String wrote and refuses all else.
func ParseCheckpoint(text string) (Checkpoint, error) {
	var c Checkpoint
	if len(text) > maxCheckpoint {
		return c, fmt.Errorf("%w: too long", errCheckpoint)
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 5 {
		return c, fmt.Errorf("%w: it has not four lines", errCheckpoint)
	}
	fields := strings.Split(lines[3], " ")
	if len(fields) != 3 {
		return c, fmt.Errorf("%w: position", errCheckpoint)
	}
	if err := checkOrigin(lines[0]); err != nil {
		return c, err
	}
	var errs [3]error
	c.Origin = lines[0]
	c.N, errs[0] = strconv.ParseInt(lines[1], 10, 64)
	c.Segment, errs[1] = parseSegmentName(fields[1])
	c.Offset, errs[2] = strconv.ParseInt(fields[2], 10, 64)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err := errors.Join(append(errs[:], err)...); err != nil {
		return c, fmt.Errorf("%w: %w", errCheckpoint, err)
	}
	copy(c.Hash[:], root)
	// All other ways to write the same (signs, zeros, spare bits, a root of
	// another length) end here, and so do numbers that cannot be.
	if c.String() != text || c.N < 0 || c.N > maxSize || c.Offset < 0 || c.Segment > c.N {
		return c, fmt.Errorf("%w: not in the form of this program", errCheckpoint)
	}
	return c, nil
}

// maxSize keeps the arithmetic on hash positions far from overflow.
const maxSize = 1 << 50

// checkOrigin refuses names that would not be one line that people can read.
func checkOrigin(origin string) error {
	printable := strings.IndexFunc(origin, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
	if origin == "" || len(origin) > 255 || !utf8.ValidString(origin) || !printable || strings.TrimSpace(origin) != origin {
		return fmt.Errorf("%w: origin must be 1 to 255 bytes of printable text", errCheckpoint)
	}
	return nil
}

// readCheckpoint reads the checkpoint of a log; a malformed one is a Fault.
func readCheckpoint(dir string) (Checkpoint, error) {
	f, err := os.Open(filepath.Join(dir, checkpointFile))
	if err != nil {
		return Checkpoint{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCheckpoint+1))
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := ParseCheckpoint(string(text))
	if err != nil {
		return c, &Fault{File: checkpointFile, Index: -1, Why: err.Error()}
	}
	return c, nil
}

func writeCheckpoint(dir string, c Checkpoint) error {
	return durable.WriteFile(filepath.Join(dir, checkpointFile), []byte(c.String()), fileMode)
}
