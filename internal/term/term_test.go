package term_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/keyd-hsm/keyd/internal/term"
)

// pty opens a pseudo-terminal: what is written to ours is typed on theirs.
func pty(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}

func TestLineOnATerminal(t *testing.T) {
	ours, theirs := pty(t)
	if _, err := io.WriteString(ours, "  alias/app \n"); err != nil {
		t.Fatal(err)
	}
	tty := term.New(theirs, theirs)
	if !tty.Interactive() {
		t.Fatal("a pseudo-terminal is not taken for a terminal")
	}
	got, err := tty.Line("which? ")
	if err != nil || got != "alias/app" {
		t.Fatalf("Line = %q, %v", got, err)
	}
	var shown string
	for chunk := make([]byte, 256); !strings.Contains(shown, "which? "); {
		n, err := ours.Read(chunk)
		if err != nil {
			t.Fatalf("the terminal shows %q, then %v", shown, err)
		}
		shown += string(chunk[:n])
	}
}

func TestLineEndsWithTheInput(t *testing.T) {
	ours, theirs := pty(t)
	if _, err := io.WriteString(ours, "\x04"); err != nil {
		t.Fatal(err)
	}
	if _, err := term.New(theirs, theirs).Line("? "); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("err = %v", err)
	}
}

func TestNobodyToAsk(t *testing.T) {
	_, theirs := pty(t)
	var out bytes.Buffer
	for name, tty := range map[string]*term.Terminal{
		"input piped":  term.New(strings.NewReader("yes\n"), theirs),
		"output piped": term.New(theirs, &out),
		"both piped":   term.New(strings.NewReader("yes\n"), &out),
	} {
		if _, err := tty.Line("sure? "); !errors.Is(err, term.ErrNotInteractive) {
			t.Errorf("%s: err = %v", name, err)
		}
	}
	if out.Len() > 0 {
		t.Errorf("a question was written to a pipe: %q", out.String())
	}
}

func TestStyle(t *testing.T) {
	_, theirs := pty(t)
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	if got := term.StyleOf(theirs).Red("x"); got != "\x1b[1;31mx\x1b[0m" {
		t.Errorf("on a terminal: %q", got)
	}
	if got := term.StyleOf(&bytes.Buffer{}).Red("x"); got != "x" {
		t.Errorf("in a pipe: %q", got)
	}
	t.Setenv("NO_COLOR", "1")
	if got := term.StyleOf(theirs).Red("x"); got != "x" {
		t.Errorf("with NO_COLOR: %q", got)
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	if got := term.StyleOf(theirs).Red("x"); got != "x" {
		t.Errorf("on a dumb terminal: %q", got)
	}
}

func TestTable(t *testing.T) {
	table := term.NewTable("KEY", "STATE", "DESCRIPTION")
	table.Row("1", "Enabled", "a\x1b[2Jb")
	table.Row("clé", "Disabled", "")
	var b strings.Builder
	if err := table.Write(&b, term.Style{}); err != nil {
		t.Fatal(err)
	}
	want := "KEY   STATE      DESCRIPTION\n1     Enabled    a\uFFFD[2Jb\nclé   Disabled\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 鍵":         "plain é 鍵",
		"a\nb\tc":           "a\uFFFDb\uFFFDc",
		"\x1b]0;title\x07":  "\uFFFD]0;title\uFFFD",
		"user\u202eexe.txt": "user\uFFFDexe.txt",
		"\x9b31m\xff":       "\uFFFD31m\uFFFD",
	} {
		if got := term.Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]bool{
		"": true, "hello\n": true, "tab\tcr\r\n": true, "é鍵": true,
		"\x00": false, "\x1b[31m": false, "\xff\xfe": false, "\u202e": false,
	} {
		if got := term.Printable([]byte(in)); got != want {
			t.Errorf("Printable(%q) = %v", in, got)
		}
	}
}
