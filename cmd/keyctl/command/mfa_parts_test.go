package command_test

import (
	"bytes"
	"encoding/base32"
	"encoding/hex"
	"image/color"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
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
