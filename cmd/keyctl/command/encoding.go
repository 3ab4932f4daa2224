package command

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

// encoding is how bytes are written: as they are, or as a line of text.
type encoding int

const (
	raw encoding = iota
	asBase64
	asHex
)

func (e encoding) encode(b []byte) []byte {
	switch e {
	case asBase64:
		return append(base64.StdEncoding.AppendEncode(nil, b), '\n')
	case asHex:
		return append(hex.AppendEncode(nil, b), '\n')
	}
	return b
}

// fixedBytes reads bytes of a known number, as they are, in hexadecimal or in
// base64. What could be text is never taken for the bytes themselves, nor what
// could be hexadecimal for base64: no random bytes look like that.
func fixedBytes(text []byte, size int) ([]byte, bool) {
	if !term.Printable(text) {
		return text, len(text) == size
	}
	digits := bytes.TrimSpace(text)
	if b := make([]byte, hex.DecodedLen(len(digits))); len(digits) > 0 {
		if _, err := hex.Decode(b, digits); err == nil {
			return b, len(b) == size
		}
	}
	b, err := unbase64(text)
	return b, err == nil && len(b) == size
}

// sink is where a verb puts bytes: standard output or a file.
type sink struct {
	out                 string
	base64, raw, hex    bool
	base64Help, rawHelp string
}

func (s *sink) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.out, "out", "", "write to `FILE`, readable by you alone and whole or not at all; - is standard output, the default")
	f.BoolVar(&s.base64, "base64", false, s.base64Help)
	f.BoolVar(&s.raw, "raw", false, s.rawHelp)
	cmd.MarkFlagsMutuallyExclusive("base64", "raw")
}

// encoding returns what the flags chose, or else byDefault.
func (s *sink) encoding(byDefault encoding) encoding {
	switch {
	case s.raw:
		return raw
	case s.base64:
		return asBase64
	case s.hex:
		return asHex
	}
	return byDefault
}

// toFile reports whether bytes go to a file, and not to standard output.
func toFile(out string) bool { return out != "" && out != "-" }

// put writes b to standard output or the file out. Bytes that a terminal would
// obey rather than show are not written to one.
func (c *cli) put(out string, e encoding, b []byte) error {
	text := e.encode(b)
	if toFile(out) {
		return writeFile(out, text)
	}
	if term.Is(c.out) && !term.Printable(text) {
		return usagef("use --base64, or --out FILE", "output: binary, and standard output is a terminal")
	}
	return c.write(text)
}

// writeFile makes the file at path hold b, readable by its owner alone. It is
// written beside path and renamed, so that path never holds half of b and what
// was there stays if anything fails. A device or pipe is written to as it is.
func writeFile(path string, b []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return writeTo(path, b)
	}
	// A link stays a link: what it points to is replaced.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	if err = fill(f, b); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// fill writes b to f, sees it through to the disk, and closes f.
func fill(f *os.File, b []byte) error {
	_, err := f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func writeTo(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// putBytes ends a verb whose result is bytes: alone, or with -o json in doc, of
// which *b are the bytes and *out the name of the file that holds them instead.
func (c *cli) putBytes(s sink, byDefault encoding, b *[]byte, out *string, doc any) error {
	if c.format != outputJSON {
		return c.put(s.out, s.encoding(byDefault), *b)
	}
	if toFile(s.out) {
		if err := c.put(s.out, s.encoding(byDefault), *b); err != nil {
			return err
		}
		*out, *b = s.out, nil
	}
	return c.json(doc)
}
