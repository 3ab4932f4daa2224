package term

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Secret asks question on out and returns what is typed on in, which is not
// shown. It returns ErrNotInteractive when in or out is no terminal.
func Secret(in io.Reader, out io.Writer, question string) (string, error) {
	f, ok := in.(*os.File)
	if !ok || !Is(in) || !Is(out) {
		return "", ErrNotInteractive
	}
	if _, err := io.WriteString(out, question); err != nil {
		return "", err
	}
	secret, err := term.ReadPassword(int(f.Fd()))
	_, _ = io.WriteString(out, "\n") // the typed end of line was not shown either
	return string(secret), err
}
