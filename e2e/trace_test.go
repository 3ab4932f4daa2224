package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"
)

// spyCall is one PKCS#11 call as pkcs11-spy wrote it down.
type spyCall struct {
	name string
	text string
	// data are the values in it, as bytes: each hex dump with its rows joined.
	data [][]byte
}

var (
	callLine = regexp.MustCompile(`^\d+: (C_\w+)$`)
	// dumpRow is a row of a value: "    00000010  34 39 …  49…". Values that the
	// spy takes for text have rows without an offset, in groups of four bytes:
	// "    6B657964 20646F6D", and below each the same as letters.
	dumpRow  = regexp.MustCompile(`^ {4}[0-9a-f]{8}  ((?:[0-9A-F]{2} ){1,16})`)
	groupRow = regexp.MustCompile(`^ {4}((?:[0-9A-F]{8} )*[0-9A-F]{2,8}) ?$`)
)

// readTrace takes a trace apart.
func readTrace(t *testing.T, path string) []spyCall {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var calls []spyCall
	var value []byte
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if m := callLine.FindStringSubmatch(line); m != nil {
			calls = append(calls, spyCall{name: m[1]})
		}
		if len(calls) == 0 {
			continue // the spy's own greeting
		}
		c := &calls[len(calls)-1]
		c.text += line + "\n"
		row := dumpRow.FindStringSubmatch(line)
		if row == nil {
			row = groupRow.FindStringSubmatch(line)
		}
		if row != nil {
			b, err := hex.DecodeString(strings.ReplaceAll(row[1], " ", ""))
			if err != nil {
				t.Fatalf("row %q: %v", line, err)
			}
			value = append(value, b...)
			continue
		}
		if len(value) > 0 && strings.HasPrefix(line, "     ") {
			continue // the same row in letters
		}
		if len(value) > 0 {
			c.data = append(c.data, value)
			value = nil
		}
	}
	return calls
}

// window is how many bytes of a secret in a row are found. A chance match of
// that many random bytes in a trace does not happen.
const window = 8

// holders are the names of the calls in which any eight bytes of secret stand:
// as bytes of a value, or in the text as letters, hex or base64.
func holders(calls []spyCall, secret []byte) []string {
	var names []string
	for _, c := range calls {
		if c.holds(secret) {
			names = append(names, c.name)
		}
	}
	return names
}

func (c spyCall) holds(secret []byte) bool {
	squeezed := strings.ToLower(strings.Join(strings.Fields(c.text), ""))
	haystacks := append([][]byte{[]byte(squeezed)}, c.data...)
	for at := 0; at+window <= len(secret); at++ {
		part := secret[at : at+window]
		needles := [][]byte{part, bytes.ToLower(part), []byte(hex.EncodeToString(part))}
		for _, h := range haystacks {
			for _, n := range needles {
				if bytes.Contains(h, n) {
					return true
				}
			}
		}
	}
	encoded := strings.ToLower(strings.TrimRight(base64.StdEncoding.EncodeToString(secret), "="))
	return strings.Contains(squeezed, encoded)
}

// TestTraceReader proves the search on rows as the spy writes them.
func TestTraceReader(t *testing.T) {
	path := t.TempDir() + "/trace"
	const trace = `Loaded: "libsofthsm2.so"

1: C_Sign
[in] pData[ulDataLen] 000025bc648df9a0 / 28
    00000000  00 00 00 01 6B 65 79 64 3A 76 31 3A 6D 61 74 65  ....keyd:v1:mate
    00000010  72 69 61 6C 2D 69 64 00 00 00 01 00              rial-id.....    
Returned:  0 CKR_OK

2: C_FindObjectsInit
    CKA_LABEL             00007f161c0659b0 / 20
    6B657964 20646F6D 61696E20 6B657920
     k e y d  . d o m  a i n .  k e y .
    74776F21 
     t w o !
    CKA_CLASS             CKO_SECRET_KEY       
Returned:  0 CKR_OK
`
	if err := os.WriteFile(path, []byte(trace), 0o600); err != nil {
		t.Fatal(err)
	}
	calls := readTrace(t, path)
	for _, c := range []struct{ secret, in string }{
		{"v1:material-id", "C_Sign"},            // across two rows
		{"xxxxxxxx:materialxxxxxxxx", "C_Sign"}, // a part of it
		{"main key two!", "C_FindObjectsInit"},  // across two rows of text
		{"libsofthsm2.so", ""},                  // before the first call
		{"CKO_SECRET_KEY", "C_FindObjectsInit"}, // in the text itself
		{"\x00\x00\x00\x01keyd", "C_Sign"},      // bytes that are no letters
		{"never there at all, never", ""},
	} {
		if got := strings.Join(holders(calls, []byte(c.secret)), " "); got != c.in {
			t.Errorf("%q found in %q, want %q", c.secret, got, c.in)
		}
	}
}
