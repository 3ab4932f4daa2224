package pkcs11_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/softhsm"
)

// spyModule finds OpenSC's pkcs11-spy, which writes down every call on its way
// to the real module.
func spyModule(t *testing.T) string {
	t.Helper()
	for _, pattern := range []string{
		"/usr/lib/*/pkcs11-spy.so", "/usr/lib/*/pkcs11/pkcs11-spy.so", "/usr/lib64/pkcs11-spy.so",
		"/usr/lib64/pkcs11/pkcs11-spy.so", "/usr/lib/pkcs11-spy.so", "/opt/homebrew/lib/pkcs11/pkcs11-spy.dylib",
	} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0]
		}
	}
	t.Fatal("pkcs11-spy.so not found: run `make setup` or install OpenSC")
	return ""
}

// traced tells TestTrace that it is the process whose calls are written down.
const traced = "KEYD_TEST_TRACED"

// TestTrace reads what crosses the border to the token in a life of work: no
// value of a key is read, none is given. The work is done by a process of its
// own, because the spy reads its environment when it is loaded.
func TestTrace(t *testing.T) {
	if os.Getenv(traced) != "" {
		life(t)
		return
	}
	real, err := softhsm.FindModule()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	worker := exec.CommandContext(t.Context(), self, "-test.run=^TestTrace$")
	worker.Env = append(os.Environ(), traced+"=1", "PKCS11SPY="+real, "PKCS11SPY_OUTPUT="+trace)
	if out, err := worker.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	for _, called := range []string{"C_GenerateKey", "C_WrapKey", "C_UnwrapKey", "C_Sign\n", "C_DestroyObject", "C_GetAttributeValue", "CKA_VALUE_LEN"} {
		if !strings.Contains(string(text), called) {
			t.Errorf("trace has no %s: it is not of the work done", strings.TrimSpace(called))
		}
	}
	for _, never := range []string{`CKA_VALUE\b`, `C_CreateObject`, `C_CopyObject`, `C_DeriveKey`} {
		if at := regexp.MustCompile(".*" + never + ".*").Find(text); at != nil {
			t.Errorf("trace shows %s", at)
		}
	}
}

// life makes a token, works with it, opens it again and works with it.
func life(t *testing.T) {
	s, err := softhsm.Create(t.Context(), t.TempDir(), softhsm.Options{Module: spyModule(t)})
	if err != nil {
		t.Fatal(err)
	}
	token, keys := opened(t, s.Config(), 2)
	work(t, token, keys)
	if err := token.GenerateResident(t.Context(), "r", hsm.HMACSHA256); err != nil {
		t.Fatal(err)
	}
	if err := token.Close(); err != nil {
		t.Fatal(err)
	}
	token, err = pkcs11.Open(t.Context(), s.Config())
	if err != nil {
		t.Fatal(err)
	}
	work(t, token, append(keys, hsm.Key{Resident: "r"}))
	if err := token.DestroyResident(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	if err := token.Close(); err != nil {
		t.Fatal(err)
	}
}

func work(t *testing.T, token hsm.Token, keys []hsm.Key) {
	t.Helper()
	for _, k := range keys {
		if _, err := token.MAC(t.Context(), k, message); err != nil {
			t.Fatal(err)
		}
	}
	if err := token.Check(t.Context(), domain); err != nil {
		t.Fatal(err)
	}
	if _, err := token.Random(t.Context(), 32); err != nil {
		t.Fatal(err)
	}
	token.Forget(keys[0])
}

// TestObjects asks another program what is on the token.
func TestObjects(t *testing.T) {
	s := softhsm.Test(t)
	token, keys := opened(t, s.Config(), 1)
	work(t, token, keys)
	if err := token.GenerateResident(t.Context(), "r", hsm.HMACSHA256); err != nil {
		t.Fatal(err)
	}
	pin, err := os.ReadFile(s.PINFile())
	if err != nil {
		t.Fatal(err)
	}
	tool := exec.CommandContext(t.Context(), "pkcs11-tool", "--module", s.Module,
		"--token-label", s.Info.Label, "--login", "--pin", "env:KEYD_TEST_PIN", "--list-objects")
	tool.Env = append(os.Environ(), "SOFTHSM2_CONF="+s.ConfigFile(), "KEYD_TEST_PIN="+strings.TrimSpace(string(pin)))
	out, err := tool.CombinedOutput()
	if err != nil {
		t.Fatalf("pkcs11-tool: %v\n%s", err, out)
	}
	objects := strings.Split(string(out), "Secret Key Object;")[1:]
	if len(objects) != 2 {
		t.Fatalf("token holds %d secret keys, want the domain key and the resident one:\n%s", len(objects), out)
	}
	for _, o := range objects {
		// Access says "sensitive, always sensitive, never extractable, local".
		if !strings.Contains(o, "always sensitive, never extractable, local") {
			t.Errorf("object is not guarded:%s", o)
		}
		// Some versions print "sign" for secret keys, others do not know the word.
		usage := regexp.MustCompile(`Usage:\s+(none|sign)\n`)
		if strings.Contains(o, "keyd domain key") {
			usage = regexp.MustCompile(`Usage:\s+wrap, unwrap\n`)
		}
		if !usage.MatchString(o) {
			t.Errorf("usage is not %v:%s", usage, o)
		}
	}
}
