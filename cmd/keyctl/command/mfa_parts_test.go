package command_test

import (
	"bytes"
	"encoding/base32"
	"encoding/hex"
	"image/color"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/boombuler/barcode/qr"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

func TestSeeds(t *testing.T) {
	seed := []byte("12345678901234567890")
	text := base32.StdEncoding.EncodeToString(seed)
	for name, in := range map[string]string{
		"base32": text, "small": strings.ToLower(text) + "\n", "groups": text[:4] + " " + text[4:8] + " " + text[8:],
		"hexadecimal": hex.EncodeToString(seed) + "\n",
	} {
		if got, ok := command.ParseSeed([]byte(in)); !ok || !bytes.Equal(got, seed) {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
	raw := append([]byte{0}, seed...)
	if got, ok := command.ParseSeed(raw); !ok || !bytes.Equal(got, raw) {
		t.Errorf("raw: %q, %v", got, ok)
	}
	if padded := base32.StdEncoding.EncodeToString(seed[:16]); !strings.HasSuffix(padded, "=") {
		t.Fatal("no padding to try")
	} else if got, ok := command.ParseSeed([]byte(padded)); !ok || !bytes.Equal(got, seed[:16]) {
		t.Errorf("padded: %q, %v", got, ok)
	}
	if _, ok := command.ParseSeed([]byte("not a seed at all!")); ok {
		t.Error("a sentence was taken for a seed")
	}
}

// TestCodeFromStdin: it ends with NUL, newline or the input, as pam_exec and people
// end it.
func TestCodeFromStdin(t *testing.T) {
	for in, want := range map[string]string{
		"123456\x00": "123456", "123456\n": "123456", "123456": "123456", " 123456 \r\n": "123456",
		"123456\x00junk": "123456", "abcd-efgh\nmore": "abcd-efgh",
	} {
		if got, err := command.ReadCode(strings.NewReader(in)); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "\x00", "\n123456", "   "} {
		if got, err := command.ReadCode(strings.NewReader(in)); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// TestPAMEnvironment: whoever logs in may have put variables into it, but not in
// the place of PAM's own.
func TestPAMEnvironment(t *testing.T) {
	user, purpose, err := command.ParsePAM([]byte("PATH=/bin\x00PAM_TYPE=auth\x00PAM_USER=alice\x00PAM_SERVICE=sshd\x00PAM_RHOST=192.0.2.1\x00"))
	if err != nil || user != "alice" || purpose != "sshd login from 192.0.2.1" {
		t.Errorf("%q, %q, %v", user, purpose, err)
	}
	if _, _, err := command.ParsePAM([]byte("PAM_USER=mallory\x00PAM_TYPE=auth\x00PAM_USER=alice\x00")); err == nil {
		t.Error("PAM_USER may be given twice")
	}
	_, purpose, err = command.ParsePAM([]byte("PAM_SERVICE=sshd\x00PAM_RHOST=a\x1b[2Jb\n" + strings.Repeat("x", 300)))
	if err != nil || len([]rune(purpose)) != 200 || !strings.HasPrefix(purpose, "sshd login from a?[2Jb?x") {
		t.Errorf("%q, %v", purpose, err)
	}
	if _, purpose, err = command.ParsePAM([]byte("PAM_SERVICE=sudo\x00")); err != nil || !strings.HasPrefix(purpose, "sudo on ") {
		t.Errorf("%q, %v", purpose, err)
	}
}

// TestQRCode reads the characters back, module by module.
func TestQRCode(t *testing.T) {
	const text = "otpauth://totp/keyd:alice-phone@111122223333?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=keyd"
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	size := code.Bounds().Dx()
	for colours, inked := range map[bool]bool{true: true, false: false} {
		drawn, err := command.DrawQR(text, colours)
		if err != nil {
			t.Fatal(err)
		}
		drawn = strings.NewReplacer("\x1b[30;107m", "", "\x1b[0m", "").Replace(drawn)
		lines := strings.Split(strings.TrimSuffix(drawn, "\n"), "\n")
		if want := (size + 8 + 1) / 2; len(lines) != want {
			t.Fatalf("%d lines, want %d", len(lines), want)
		}
		for y := range size + 8 {
			for x, r := range []rune(lines[y/2]) {
				ink := r == '█' || r == '▀' && y%2 == 0 || r == '▄' && y%2 == 1
				inside := x >= 4 && y >= 4 && x < size+4 && y < size+4
				if dark := inside && code.At(x-4, y-4) == color.Black; dark != (ink == inked) {
					t.Fatalf("colours %v: module %d, %d", colours, x, y)
				}
			}
		}
	}
}

// TestVerifyTTL: no time at all is not keyd's minute.
func TestVerifyTTL(t *testing.T) {
	for _, ttl := range []string{"0s", "900ms", "-1m"} {
		fails(t, 2, "", []string{"mfa", "verify", "--user", "alice", "--purpose", "x", "--wait", "--ttl", ttl}, "error: --ttl "+ttl[:2])
	}
}

// TestPurposeShown: whatever the asker writes as its purpose, no line of what the
// person sees begins with it but one that is indented, and it comes last.
func TestPurposeShown(t *testing.T) {
	for _, purpose := range []string{
		"sudo on db1",
		"sudo" + strings.Repeat(" ", 63) + "grants       the answer only" + strings.Repeat(" ", 52) + "asked by     root",
		strings.Repeat("x", 67) + "grants the answer only",
		strings.Repeat("\u6f22", 100), `a "quoted" one`, strings.Repeat("y", 200),
	} {
		shown, err := command.ShowChallenge(protocol.Challenge{User: "alice", Purpose: purpose, Credentials: true, Asker: protocol.Asker{Name: "mallory", UID: 1001}})
		if err != nil {
			t.Fatal(err)
		}
		before, after, found := strings.Cut(shown, "\nfor          \"")
		if !found || !strings.Contains(before, "\nasked by     mallory (uid 1001)") || !strings.Contains(before, "\ngrants       CREDENTIALS of alice") {
			t.Fatalf("%q is shown as\n%s", purpose, shown)
		}
		var whole strings.Builder
		for i, line := range strings.Split(strings.TrimSuffix(after, "\n"), "\n") {
			if text, indented := strings.CutPrefix(line, strings.Repeat(" ", 13)); i == 0 || indented {
				whole.WriteString(text)
			} else {
				t.Errorf("%q: the line %q", purpose, line)
			}
			if utf8.RuneCountInString(line) > 79 || strings.Contains(strings.TrimLeft(line, " "), "  ") {
				t.Errorf("%q: the line %q", purpose, line)
			}
		}
		// A line that was cut at a space has lost it to the end of the line.
		unspaced := func(s string) string {
			return strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), command.MarkedSpaces, "")
		}
		if got := `"` + unspaced(whole.String()); got != unspaced(strconv.Quote(purpose)) {
			t.Errorf("%q is shown as %s", purpose, got)
		}
		if short := command.ShortPurpose(purpose); utf8.RuneCountInString(short) > 40 || strings.Contains(short, "  ") || short[0] != '"' {
			t.Errorf("%q is in a list as %s", purpose, short)
		}
	}
}
