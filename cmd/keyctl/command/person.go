package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/keyd-hsm/keyd/internal/term"
)

// ttyPath is the terminal of a process, wherever its streams lead.
const ttyPath = "/dev/tty"

// person is whoever sits at the terminal. What is asked and said here never goes
// to standard output.
type person struct {
	in       io.Reader
	out      io.Writer
	terminal *term.Terminal
	tty      *os.File // to be closed; nil for the streams of the program
}

// person finds the terminal: the program's own streams or, where they lead
// elsewhere as those of a credential_process do, /dev/tty; under PAM the terminal
// that PAM names. Where there is none, nobody is there, and what is said goes to
// standard error.
func (c *cli) person() *person {
	own := &person{c.in, c.err, c.terminal, nil}
	if c.terminal.Interactive() {
		return own
	}
	path := ttyPath
	if underPAM() {
		facts, err := readPAM()
		if path = facts.terminal(); err != nil || path == "" {
			return own
		}
	}
	tty, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return own
	}
	return &person{tty, tty, term.New(tty, tty), tty}
}

// leave gives the terminal back.
func (p *person) leave() {
	if p.tty != nil {
		_ = p.tty.Close()
	}
}

// there reports whether there is somebody to ask.
func (p *person) there() bool { return p.terminal.Interactive() }

// say writes one line.
func (p *person) say(format string, args ...any) {
	fmt.Fprintln(p.out, term.Clean(fmt.Sprintf(format, args...)))
}

// secret asks for what is not shown as it is typed. hint says how to give it
// where nobody is there.
func (p *person) secret(ctx context.Context, question, what, hint string) (string, error) {
	defer term.Keep(p.in)()
	return wait(ctx, func() (string, error) {
		s, err := term.Secret(p.in, p.out, term.Clean(question))
		return s, asked(err, what, hint)
	})
}

// interruptible ends ctx when the person has had enough, so that a verb can clear
// up: the terminal, and what it has begun.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
}

// line asks for a line.
func (p *person) line(ctx context.Context, question, what, hint string) (string, error) {
	return wait(ctx, func() (string, error) {
		s, err := p.terminal.Line(term.Clean(question))
		return s, asked(err, what, hint)
	})
}

// asked explains why there was no answer.
func asked(err error, what, hint string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, term.ErrNotInteractive):
		return usagef(hint, "%s: needed, and there is nobody to ask", what)
	}
	return failf(exitFailure, "", "%s: %w", what, errNotGiven)
}

// wait lets an answer that never comes be given up when ctx ends. The reader
// stays until the program ends, which is soon.
func wait(ctx context.Context, ask func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := ask()
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		return a.text, a.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
