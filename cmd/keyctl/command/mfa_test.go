package command_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// TestMFA: a device is made, enabled, used for a session, resynchronized, listed
// and removed.
func TestMFA(t *testing.T) {
	kit := appliance(t)
	ok(t, "", "user", "create", "alice")
	file := filepath.Join(t.TempDir(), "alice.png")
	d := answer[struct{ SerialNumber, Base32StringSeed, Out string }](t, "mfa", "create", "phone", "--out", file)
	if b, err := os.ReadFile(file); err != nil || len(b) == 0 || d.Out != file {
		t.Errorf("picture of %d bytes: %v", len(b), err)
	}
	code := func(steps int) string {
		t.Helper()
		c, err := totp.GenerateCode(d.Base32StringSeed, kit.OATHTime().Add(time.Duration(steps)*30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ok(t, "", "mfa", "enable", "alice", "phone", code(-1), code(0))
	ok(t, "", "mfa", "resync", "alice", d.SerialNumber, code(9), code(10))
	list := answer[struct {
		MFADevices []struct{ UserName, SerialNumber string }
	}](t, "mfa", "list", "alice").MFADevices
	if len(list) != 1 || list[0].UserName != "alice" || list[0].SerialNumber != d.SerialNumber {
		t.Errorf("%+v", list)
	}
	ok(t, "", "mfa", "remove", "phone", "--user", "alice")

	d = answer[struct{ SerialNumber, Base32StringSeed, Out string }](t, "mfa", "create", "key")
	ok(t, "", "mfa", "enable", "root", "key", code(-2), code(-1))
	ok(t, "", "session", "--mfa-serial", "key", "--mfa-code", code(0))
}
