package command_test

import (
	"bytes"
	"encoding/base32"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
	"golang.org/x/sys/unix"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
	"github.com/keyd-hsm/keyd/internal/testkit"
)

// converse runs keyctl on a terminal. Whenever it asks, answer is given all that
// was said so far, and says what is typed. Standard output is not the terminal.
func converse(t *testing.T, answer func(said string) string, args ...string) (r result) {
	t.Helper()
	ours, theirs := pty(t)
	heard := make(chan string)
	go func() {
		var said []byte
		for chunk := make([]byte, 4096); ; {
			n, err := ours.Read(chunk)
			said = append(said, chunk[:n]...)
			if err != nil {
				heard <- string(said)
				return
			}
			if bytes.HasSuffix(said, []byte(": ")) {
				_, _ = ours.WriteString(answer(string(said)) + "\n")
			}
		}
	}()
	var stdout bytes.Buffer
	r.code = command.Main(args, theirs, &stdout, theirs)
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	r.stdout, r.stderr = stdout.String(), <-heard
	return r
}

// phone is an authenticator app by the clock of a kit.
func phone(t *testing.T, kit *testkit.Kit, seed string, steps int) string {
	t.Helper()
	c, err := totp.GenerateCode(seed, kit.OATHTime().Add(time.Duration(steps)*30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// oathDoc is the JSON of mfa enroll.
type oathDoc struct {
	SerialNumber, Type, UserName, Base32StringSeed, URI, Out string
	Enabled                                                  bool
}

// mfaList is the JSON of mfa list.
type mfaList struct {
	UserName          string
	MFADevices        []struct{ UserName, SerialNumber, Type, TouchPolicy string }
	RecoveryCodesLeft int
	Locked            bool
}

var shownSeed = regexp.MustCompile(`type the seed: ([A-Z2-7]+)`)

// TestEnrollOnATerminal: the QR code and the seed are shown, two codes asked for.
func TestEnrollOnATerminal(t *testing.T) {
	kit := appliance(t)
	t.Setenv("TERM", "xterm")
	steps := []int{5, -5, -3, -2} // the first two are no codes that follow each other
	r := converse(t, func(said string) string {
		code := phone(t, kit, shownSeed.FindStringSubmatch(said)[1], steps[0])
		steps = steps[1:]
		return code
	}, "mfa", "enroll", "totp", "phone")
	if r.code != 0 || len(steps) != 0 {
		t.Fatalf("code %d, %d codes left\n%s", r.code, len(steps), r.stderr)
	}
	holds(t, r.stderr, "\x1b[30;107m", "▀", "It is not shown again.", "These are not two codes")
	holds(t, r.stdout, "mfa/phone\n", "user            root\n")
	if seed := shownSeed.FindStringSubmatch(r.stderr)[1]; strings.Contains(r.stdout, seed) {
		t.Error("the seed is on standard output, too")
	}
	if l := answer[mfaList](t, "mfa", "list"); len(l.MFADevices) != 1 || l.MFADevices[0].Type != "TOTP" {
		t.Errorf("%+v", l)
	}
}

// TestEnrollAbandoned: given up, the device is gone and so is its picture.
func TestEnrollAbandoned(t *testing.T) {
	appliance(t)
	file := inTemp(t, "phone.png")[0]
	r := converse(t, func(string) string { return "\x04" }, "mfa", "enroll", "totp", "phone", "--png", file)
	if r.code == 0 || r.stdout != "" {
		t.Errorf("code %d, %q", r.code, r.stdout)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the picture: %v", err)
	}
	if d := answer[oathDoc](t, "mfa", "enroll", "totp", "phone", "--no-enable"); d.Enabled || d.Base32StringSeed == "" {
		t.Errorf("the name is free again, and then: %+v", d)
	}
}

// TestEnrollInterrupted: ctrl-C clears up, too.
func TestEnrollInterrupted(t *testing.T) {
	appliance(t)
	r := converse(t, func(string) string {
		if err := unix.Kill(os.Getpid(), unix.SIGINT); err != nil {
			t.Error(err)
		}
		return ""
	}, "mfa", "enroll", "hotp", "token")
	if r.code == 0 || r.stdout != "" {
		t.Errorf("%+v", r)
	}
	answer[oathDoc](t, "mfa", "enroll", "hotp", "token", "--no-enable")
}

// TestMFA: devices are made, enabled, used for sessions, resynchronized, listed
// and removed.
func TestMFA(t *testing.T) {
	kit := appliance(t)
	ok(t, "", "user", "create", "alice")
	file := inTemp(t, "alice.png")[0]
	d := answer[oathDoc](t, "mfa", "enroll", "totp", "phone", "--no-enable", "--png", file)
	if info, err := os.Stat(file); err != nil || info.Size() == 0 || info.Mode() != 0o600 || d.Out != file {
		t.Errorf("picture: %v, %v", info, err)
	}
	ok(t, "", "mfa", "enable", "alice", "phone", phone(t, kit, d.Base32StringSeed, -1), phone(t, kit, d.Base32StringSeed, 0))
	ok(t, "", "mfa", "resync", "alice", d.SerialNumber, phone(t, kit, d.Base32StringSeed, 9), phone(t, kit, d.Base32StringSeed, 10))

	seed := []byte("12345678901234567890")
	text := base32.StdEncoding.EncodeToString(seed)
	button := func(n uint64) string {
		c, err := hotp.GenerateCodeCustom(text, n, hotp.ValidateOpts{Digits: otp.DigitsEight, Algorithm: otp.AlgorithmSHA256})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	token := answerTo[oathDoc](t, text, "mfa", "enroll", "hotp", "token", "--user", "alice", "--seed-file", "-", "--digits", "8",
		"--algorithm", "sha256", "--counter", "7", "--codes", button(7)+","+button(8))
	if !token.Enabled || token.UserName != "alice" || token.Base32StringSeed != "" {
		t.Errorf("%+v", token)
	}
	codes := answer[struct{ Codes []string }](t, "mfa", "enroll", "recovery", "--user", "alice").Codes
	list := answer[mfaList](t, "mfa", "list", "alice")
	if len(list.MFADevices) != 2 || len(codes) != 10 || list.RecoveryCodesLeft != 10 || list.Locked {
		t.Errorf("%d codes, %+v", len(codes), list)
	}
	ok(t, "", "mfa", "unlock", "alice")
	ok(t, "", "mfa", "remove", "phone", "--user", "alice")
	ok(t, "", "mfa", "remove", "token", "--user", "alice")

	d = answer[oathDoc](t, "mfa", "enroll", "totp", "key", "--no-enable")
	ok(t, "", "mfa", "enable", "root", "key", phone(t, kit, d.Base32StringSeed, -2), phone(t, kit, d.Base32StringSeed, -1))
	ok(t, "", "session", "--mfa-serial", "key", "--mfa-code", phone(t, kit, d.Base32StringSeed, 0))
}

// TestRecoveryFile: the codes are in the file, and nowhere else.
func TestRecoveryFile(t *testing.T) {
	appliance(t)
	file := inTemp(t, "codes.txt")[0]
	if got := ok(t, "", "mfa", "enroll", "recovery", "--out", file); got != "10 recovery codes: in "+file+"\n" {
		t.Errorf("%q", got)
	}
	lines := strings.Fields(mustRead(t, file))
	slices.Sort(lines)
	if lines = slices.Compact(lines); len(lines) != 10 {
		t.Errorf("%d codes", len(lines))
	}
	fails(t, 1, "", []string{"mfa", "enroll", "recovery", "--out", file}, "file exists")
}

// TestLoginByCode: kept for programs that ask, forgotten by logout.
func TestLoginByCode(t *testing.T) {
	kit := appliance(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	fresh := func() { t.Setenv("KEYCTL_CREDENTIALS_CHAIN", "") }
	d := answer[oathDoc](t, "mfa", "enroll", "totp", "key", "--no-enable")
	ok(t, "", "mfa", "enable", "root", "key", phone(t, kit, d.Base32StringSeed, -3), phone(t, kit, d.Base32StringSeed, -2))
	fresh()
	fails(t, 3, "", []string{"credentials"}, "not logged in", "keyctl login")
	// Only one device is there, so that it need not be named.
	r := converse(t, func(string) string { return phone(t, kit, d.Base32StringSeed, -1) }, "login", "--mfa", "totp", "--duration", "1h")
	if r.code != 0 || !strings.Contains(r.stderr, "Code of key: ") || !strings.HasPrefix(r.stdout, "logged in by totp until ") {
		t.Fatalf("%+v", r)
	}
	fresh()
	first := ok(t, "", "credentials")
	fresh()
	if again := ok(t, "", "credentials", "--mfa", "totp"); again != first || !strings.Contains(first, `"SessionToken"`) {
		t.Errorf("%s\n%s", first, again)
	}
	if got := ok(t, "", "logout"); !strings.HasPrefix(got, "logged out: 1 ") {
		t.Errorf("%q", got)
	}
	fresh()
	fails(t, 3, "", []string{"credentials"}, "not logged in")
	fails(t, 2, "", []string{"login", "--mfa", "hotp", "--code", "123456"}, "you have 0 devices for hotp")
	fresh()
	fails(t, 3, "", []string{"credentials", "--mfa", "totp", "--code", "000000", "--device", "key"}, "AccessDenied")
}
