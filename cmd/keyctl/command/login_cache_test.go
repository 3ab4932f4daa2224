package command_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

// TestLoginCache: what is kept answers only who asks for that device, or for none.
// The cache is what the files of earlier logins are, so nobody is asked.
func TestLoginCache(t *testing.T) {
	kit := appliance(t)
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	fresh := func() { t.Setenv("KEYCTL_CREDENTIALS_CHAIN", "") }
	seeds := map[string]string{}
	for _, name := range []string{"one", "two"} {
		d := answer[oathDoc](t, "mfa", "enroll", "totp", name, "--no-enable")
		ok(t, "", "mfa", "enable", "root", name, phone(t, kit, d.Base32StringSeed, -3), phone(t, kit, d.Base32StringSeed, -2))
		seeds[name] = d.Base32StringSeed
	}
	get := func(args ...string) string {
		t.Helper()
		fresh()
		return ok(t, "", append([]string{"credentials", "--mfa", "totp"}, args...)...)
	}
	const wrong = "000000"
	ok(t, "", "login", "--mfa", "totp", "--device", "one", "--code", phone(t, kit, seeds["one"], -1))
	first := get("--device", "one", "--code", wrong)
	if again := get("--code", wrong); again != first {
		t.Error("who names no device does not get what is kept")
	}
	if again := get("--device", "arn:aws:iam::"+testkit.Account+":mfa/one", "--code", wrong); again != first {
		t.Error("the same device by its serial number is another")
	}
	fresh()
	fails(t, 3, "", []string{"credentials", "--mfa", "totp", "--device", "two", "--code", wrong}, "AccessDenied")
	fresh()
	fails(t, 3, "", []string{"credentials", "--mfa", "totp", "--device", "one", "--duration", "1h", "--code", wrong}, "AccessDenied")
	second := get("--device", "two", "--duration", "1h", "--code", phone(t, kit, seeds["two"], -1))
	if second == first || get("--device", "two", "--code", wrong) != second || get("--device", "one", "--code", wrong) != first {
		t.Error("sessions of two devices are mixed up")
	}

	// What a crash in the middle of save leaves goes with the rest.
	dirs, err := filepath.Glob(filepath.Join(cache, "keyctl", "login-*"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("%v, %v", dirs, err)
	}
	if err := os.WriteFile(filepath.Join(dirs[0], ".totp.json.123"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ok(t, "", "logout"); !strings.HasPrefix(got, "logged out: 2 ") {
		t.Errorf("%q", got)
	}
	left, err := os.ReadDir(dirs[0])
	if err != nil || len(left) != 1 || left[0].Name() != "totp.lock" {
		t.Errorf("logout left %v, %v", left, err)
	}
}

// TestRoleCacheOfDevice: a role that was assumed with one device is not given to
// who names another.
func TestRoleCacheOfDevice(t *testing.T) {
	end := time.Now().Add(time.Hour)
	session := strings.SplitAfter(sessionXML(end), "</Credentials>")[0]
	s := serveQuery(t, map[string]any{"AssumeRole": sessionXML(end), "GetSessionToken": session})
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for i, device := range []string{"one", "two", "one", "two"} {
		t.Setenv("KEYCTL_CREDENTIALS_CHAIN", "")
		ok(t, "", "credentials", "--role", "arn:aws:iam::111122223333:role/r", "--mfa", "totp", "--code", "123456", "--device", "arn:aws:iam::111122223333:mfa/"+device)
		if got, want := strings.Count(s.ops(), "AssumeRole"), min(i+1, 2); got != want {
			t.Errorf("after call %d for %s: %d roles assumed, want %d", i, device, got, want)
		}
	}
}

// TestCacheOfSocket: two keyds, each behind its socket, that answer one access key.
// KEYD_SOCKET tells them apart as --socket does.
func TestCacheOfSocket(t *testing.T) {
	s := serveQuery(t, map[string]any{"AssumeRole": sessionXML(time.Now().Add(time.Hour))})
	t.Setenv("AWS_ENDPOINT_URL", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir, err := os.MkdirTemp("", "keyctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for i, name := range []string{"a", "b"} {
		socket := filepath.Join(dir, name)
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		server := &httptest.Server{Listener: l, Config: &http.Server{Handler: s}}
		server.Start()
		t.Cleanup(server.Close)
		for _, flags := range [][]string{nil, {"--socket", socket}} {
			t.Setenv("KEYD_SOCKET", socket)
			t.Setenv("KEYCTL_CREDENTIALS_CHAIN", "")
			ok(t, "", append([]string{"credentials", "--role", "arn:aws:iam::111122223333:role/r"}, flags...)...)
			if got := strings.Count(s.ops(), "AssumeRole"); got != i+1 {
				t.Errorf("by %s, %v: %d roles assumed, want %d", name, flags, got, i+1)
			}
		}
	}
}
