package command

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"github.com/keyd-hsm/keyd/internal/term"
)

// Sizes that KMS accepts, and how much is read of an input that should be a
// ciphertext: its base64 form, with room for line breaks.
const (
	maxPlaintext      = 4096
	maxCiphertext     = 6144
	maxCiphertextText = 2 * maxCiphertext
)

// input is where a verb reads bytes: a file named by argument or --in, or
// standard input.
type input struct {
	in   string
	args []string
}

func (i *input) flags(f *pflag.FlagSet) {
	f.StringVar(&i.in, "in", "", "read from `FILE`; - is standard input, the default (FILE may be given as argument too)")
}

// read returns what the input holds; errTooLarge if that is more than limit.
func (c *cli) read(i input, limit int) ([]byte, error) {
	r, err := c.open(i)
	if err != nil {
		return nil, err
	}
	b, err := readAtMost(r, limit)
	return b, errors.Join(err, r.Close())
}

// name is the file that holds the input, "" or "-" for standard input.
func (i input) name() (string, error) {
	switch {
	case len(i.args) == 0:
		return i.in, nil
	case i.in != "":
		return "", usagef("give one of them", "two inputs: --in %s and %s", i.in, i.args[0])
	}
	return i.args[0], nil
}

// open opens the input, which the caller closes.
func (c *cli) open(i input) (io.ReadCloser, error) {
	name, err := i.name()
	if err != nil {
		return nil, err
	}
	if name != "" && name != "-" {
		return os.Open(name)
	}
	if term.Is(c.in) {
		fmt.Fprintln(c.err, "reading from the terminal; end with ctrl-D on a line of its own")
	}
	return io.NopCloser(c.in), nil
}

// errTooLarge: an input has more bytes than the operation takes.
var errTooLarge = errors.New("input too large")

// readAtMost reads no more than it must to know that r is too large.
func readAtMost(r io.Reader, limit int) ([]byte, error) {
	// All at once: what grows leaves copies behind, of secrets too.
	b := make([]byte, limit+1)
	n, err := io.ReadFull(r, b)
	switch {
	case err == nil:
		return b, errTooLarge
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return b[:n], nil
	}
	return nil, err
}

// readPlaintext reads what Encrypt takes.
func (c *cli) readPlaintext(i input) ([]byte, error) {
	b, err := c.read(i, maxPlaintext)
	if errors.Is(err, errTooLarge) {
		return nil, usagef("encrypt it with a data key (keyctl datakey), or with a library of the AWS Encryption SDK",
			"plaintext: more than 4,096 bytes, which is all that encrypt takes")
	}
	if err == nil && len(b) == 0 {
		return nil, usagef("give a FILE, or pipe something in", "plaintext: empty")
	}
	return b, err
}

// inFormat is the value of --in-format; zero finds out.
type inFormat int

const (
	inAuto inFormat = iota
	inBase64
	inRaw
)

var inFormatNames = []string{inAuto: "auto", inBase64: "base64", inRaw: "raw"}

func (f *inFormat) String() string { return inFormatNames[*f] }
func (f *inFormat) Type() string   { return "format" }

// Set makes inFormat a flag.
func (f *inFormat) Set(s string) error {
	for i, name := range inFormatNames {
		if s == name {
			*f = inFormat(i)
			return nil
		}
	}
	return fmt.Errorf("must be auto, base64 or raw")
}

// inFormatHelp says what --in-format auto does; both verbs that read
// ciphertexts show it.
const inFormatHelp = `The ciphertext may be base64 or raw bytes. It is taken for base64 if all of it,
white space aside, is standard base64 with its padding; no ciphertext of keyd
looks like that by itself. --in-format says it outright.`

// readCiphertext reads a ciphertext in either form.
func (c *cli) readCiphertext(i input, format inFormat) ([]byte, error) {
	return c.readBlob(i, format, "ciphertext", "is it the file that encrypt wrote?")
}

// readBlob reads what KMS made (it is called what in errors) in either form.
func (c *cli) readBlob(i input, format inFormat, what, hint string) ([]byte, error) {
	text, err := c.read(i, maxCiphertextText)
	if err != nil && !errors.Is(err, errTooLarge) {
		return nil, err
	}
	blob := text
	if decoded, derr := unbase64(text); format == inBase64 && derr != nil {
		return nil, usagef(hint, "%s: not base64", what)
	} else if format != inRaw && derr == nil {
		blob = decoded
	}
	switch {
	case err != nil || len(blob) > maxCiphertext:
		return nil, usagef(hint, "%s: more than 6,144 bytes, so it is none of keyd's", what)
	case len(blob) == 0:
		return nil, usagef("give a FILE, or pipe something in", "%s: empty", what)
	}
	return blob, nil
}

// unbase64 decodes standard base64, however its lines are broken.
func unbase64(text []byte) ([]byte, error) {
	packed := bytes.Join(bytes.Fields(text), nil)
	defer clear(packed)
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(packed)))
	n, err := base64.StdEncoding.Strict().Decode(decoded, packed)
	return decoded[:n], err
}
