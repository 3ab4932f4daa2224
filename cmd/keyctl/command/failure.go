package command

// What a person sees when something fails, always on standard error:
//
//	error: what went wrong, in lower case, no full stop (Code, if AWS has one)
//	hint: what to do next; the command, if there is one
//
// The first word is coloured on a terminal. A failure without a hint is one
// that nobody can do anything about. Text that came from outside is cleaned
// before it is shown, and no message ever holds a plaintext or a key.

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/keyd-hsm/keyd/internal/term"
)

// failure is an error that a person reads, and how the program ends with it.
type failure struct {
	err  error
	hint string
	exit exit
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usagef is a failure of the command line: nothing was sent or changed.
func usagef(hint, format string, args ...any) error {
	return usage(fmt.Errorf(format, args...), hint)
}

// usage makes err a failure of the command line, unless it is a failure already.
func usage(err error, hint string) error {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return &failure{err: err, hint: hint, exit: exitUsage}
}

// failf is a failure with the exit code given.
func failf(code exit, hint, format string, args ...any) error {
	return &failure{err: fmt.Errorf(format, args...), hint: hint, exit: code}
}

// report shows err and returns the code to end with.
func report(w io.Writer, err error) exit {
	f := explain(err)
	style := term.StyleOf(w)
	fmt.Fprintf(w, "%s %s\n", style.Red("error:"), term.Clean(plainly(f.Error())))
	if f.hint != "" {
		fmt.Fprintf(w, "%s %s\n", style.Yellow("hint:"), term.Clean(f.hint))
	}
	return f.exit
}

// plainly brings a message of a library or server to the form above: first
// letter small, unless the first word is a name or acronym, and no full stop.
func plainly(message string) string {
	message = strings.TrimSuffix(strings.TrimSpace(message), ".")
	first, size := utf8.DecodeRuneInString(message)
	rest := message[size:]
	word, _, _ := strings.Cut(rest, " ")
	if unicode.IsUpper(first) && rest != "" && strings.IndexFunc(word, unicode.IsUpper) < 0 { // not YubiKey, nor ARN
		return string(unicode.ToLower(first)) + rest
	}
	return message
}
