package command

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

// FuzzCiphertext: whatever is given as a ciphertext, what is sent has a size
// that KMS takes; a blob comes through as base64 however it is broken in
// lines; and a blob of keyd, whose first byte is its version, comes through raw.
func FuzzCiphertext(f *testing.F) {
	f.Add([]byte("\x01\x02\x03"), uint8(3))
	f.Add([]byte("AQID"), uint8(0))
	f.Add(bytes.Repeat([]byte{1}, maxCiphertext+1), uint8(76))
	f.Fuzz(func(t *testing.T, b []byte, width uint8) {
		read := func(text []byte) ([]byte, error) {
			return (&cli{in: bytes.NewReader(text)}).readCiphertext(input{}, inAuto)
		}
		if got, err := read(b); err == nil && (len(got) == 0 || len(got) > maxCiphertext) {
			t.Fatalf("%d bytes accepted", len(got))
		}
		if len(b) == 0 || len(b) > maxCiphertext/2 {
			return
		}
		text := base64.StdEncoding.EncodeToString(b)
		var lines strings.Builder
		for len(text) > 0 {
			n := min(len(text), int(width)+1)
			lines.WriteString(text[:n] + "\r\n")
			text = text[n:]
		}
		if got, err := read([]byte(lines.String())); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("base64 of %x came through as %x, %v", b, got, err)
		}
		blob := append([]byte{1}, b...)
		if got, err := read(blob); err != nil || !bytes.Equal(got, blob) {
			t.Fatalf("raw %x came through as %x, %v", blob, got, err)
		}
	})
}
