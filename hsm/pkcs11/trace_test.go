package pkcs11_test

import (
	"fmt"
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
	for _, called := range []string{"C_GenerateKey\n", "C_GenerateKeyPair", "C_DeriveKey", "C_Decrypt\n", "C_WrapKey", "C_UnwrapKey", "C_Sign\n", "C_DestroyObject", "C_GetAttributeValue", "CKA_VALUE_LEN"} {
		if !strings.Contains(string(text), called) {
			t.Errorf("trace has no %s: it is not of the work done", strings.TrimSpace(called))
		}
	}
	for _, never := range []string{`C_CreateObject`, `C_CopyObject`, hexOf(imported[:8]), regexp.QuoteMeta(imported[:8])} {
		if at := regexp.MustCompile("(?i).*" + never + ".*").Find(text); at != nil {
			t.Errorf("trace shows %s", at)
		}
	}
	onlyDerived(t, string(text))
}

// hexOf is how the spy writes bytes.
func hexOf(s string) string {
	var words []string
	for _, b := range []byte(s) {
		words = append(words, fmt.Sprintf("%02x", b))
	}
	return strings.Join(words, " ?")
}

// onlyDerived sees that values are read of those objects alone that the call
// before had derived: secrets of key agreement, which clients ask for.
func onlyDerived(t *testing.T, trace string) {
	t.Helper()
	calls := regexp.MustCompile(`(?m)^\d+: (C_\w+)$`).FindAllStringSubmatchIndex(trace, -1)
	derived, read := "", 0
	for i, at := range calls {
		end := len(trace)
		if i+1 < len(calls) {
			end = calls[i+1][0]
		}
		name, call := trace[at[2]:at[3]], trace[at[0]:end]
		if regexp.MustCompile(`CKA_VALUE\b`).MatchString(call) {
			object := regexp.MustCompile(`\[in\] hObject = (\w+)`).FindStringSubmatch(call)
			if name != "C_GetAttributeValue" || object == nil || object[1] != derived {
				t.Errorf("trace shows a value:\n%s", call)
			}
			read++
			continue
		}
		derived = ""
		if name == "C_DeriveKey" {
			if m := regexp.MustCompile(`\[out\] hKey = (\w+)`).FindStringSubmatch(call); m != nil {
				derived = m[1]
			}
		}
	}
	if read == 0 {
		t.Error("trace shows no secret of a key agreement: it is not of the work done")
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
	for name, call := range newFleet(t, token).calls(token) {
		if err := call(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
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
	work(t, token, append(keys, hsm.Key{Type: hsm.HMACSHA256, Resident: "r"}))
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

// residentPairs are pairs by their id, with what another program says of them.
var residentPairs = map[string]struct {
	hsm.Key
	usage string
}{
	"p1": {hsm.Key{Type: hsm.P256, Use: hsm.Sign}, "sign"},
	"p2": {hsm.Key{Type: hsm.P384, Use: hsm.Derive}, "derive"},
	"p3": {hsm.Key{Type: hsm.RSA2048, Use: hsm.Decrypt}, "decrypt"},
	"p4": {hsm.Key{Type: hsm.RSA2048, Use: hsm.Transport}, "decrypt, unwrap"},
	"p5": {hsm.Key{Type: hsm.Ed25519, Use: hsm.Sign}, "sign"},
}

// TestObjects asks another program what is on the token.
func TestObjects(t *testing.T) {
	s := softhsm.Test(t)
	token, keys := opened(t, s.Config(), 1)
	work(t, token, keys)
	if err := token.GenerateResident(t.Context(), "r", hsm.HMACSHA256); err != nil {
		t.Fatal(err)
	}
	for id, k := range residentPairs {
		if _, err := token.GenerateResidentPair(t.Context(), id, k.Type, k.Use); err != nil {
			t.Fatal(err)
		}
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
	kinds := regexp.MustCompile(`(?m)^(Secret|Private|Public) Key Object;`)
	objects := kinds.Split(string(out), -1)[1:]
	if len(objects) != 2+len(residentPairs) || strings.Contains(string(out), "Public Key Object") {
		t.Fatalf("token holds %d keys, want the domain key, the resident one, and private keys:\n%s", len(objects), out)
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
		for id, k := range residentPairs {
			if strings.Contains(o, fmt.Sprintf("ID:         %x\n", id)) {
				usage = regexp.MustCompile(`Usage:\s+` + k.usage + `\n`)
			}
		}
		if !usage.MatchString(o) {
			t.Errorf("usage is not %v:%s", usage, o)
		}
	}
}
