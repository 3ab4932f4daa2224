// Package term is what a program does differently when a person is watching:
// ask, colour, align.
//
// [New] gives a [Terminal] to ask questions on; [StyleOf] says how to write on
// a stream, in colour or plain. A [Table] aligns columns on any stream.
//
// Nothing here fails for want of a terminal: a stream that is none is written
// plainly, and asking there is refused with [ErrNotInteractive]. What others
// wrote (names, descriptions, messages of a server) goes through [Clean] first,
// so that it cannot move the cursor or change colours.
package term

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// ErrNotInteractive: there is nobody to ask.
var ErrNotInteractive = errors.New("not a terminal")

// Is reports whether stream, a reader or writer, is a terminal.
func Is(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Keep remembers how a terminal is set and returns what sets it so again, for
// whoever gives up a question in the middle: [Secret] has switched its echo off.
// For a stream that is no terminal it does nothing.
func Keep(stream any) (restore func()) {
	f, ok := stream.(*os.File)
	if !ok {
		return func() {}
	}
	state, err := term.GetState(int(f.Fd()))
	if err != nil {
		return func() {}
	}
	return func() { _ = term.Restore(int(f.Fd()), state) }
}

// Terminal asks questions: it writes them to one stream and reads the answers
// from another. It belongs to one goroutine.
type Terminal struct {
	in          *bufio.Reader
	out         io.Writer
	interactive bool
}

// New returns a Terminal that asks on out (standard error, since standard
// output may be piped) and reads answers from in. It is interactive only if
// both are terminals.
func New(in io.Reader, out io.Writer) *Terminal {
	return &Terminal{in: bufio.NewReader(in), out: out, interactive: Is(in) && Is(out)}
}

// Interactive reports whether somebody is there to answer.
func (t *Terminal) Interactive() bool { return t.interactive }

// Line asks question and returns the line typed, without surrounding space.
// It returns ErrNotInteractive when nobody is there, io.ErrUnexpectedEOF when
// the input ends before the line does.
func (t *Terminal) Line(question string) (string, error) {
	if !t.interactive {
		return "", ErrNotInteractive
	}
	if _, err := io.WriteString(t.out, question); err != nil {
		return "", err
	}
	line, err := t.in.ReadString('\n')
	if errors.Is(err, io.EOF) {
		return "", io.ErrUnexpectedEOF
	}
	return strings.TrimSpace(line), err
}
