package pivtest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// pivGo is the library whose own tests judge the card, in the version of go.mod.
const pivGo = "github.com/go-piv/piv-go/v2"

// Why a test of that suite does not pass.
const (
	bio     = "needs the fingerprint reader of a YubiKey Bio"
	later   = "asks for firmware 5.7"
	noCurve = "makes an X25519 key without asking for firmware 5.7, which brought them: fails on every older key"
)

// TestPIVGo runs the whole suite of piv-go, unchanged, against the card, with the
// firmware that is presented by default and with one that knows all algorithms.
// One file of the copy is changed, which is no code: the virtual root joins
// Yubico's in the list of those that are trusted.
func TestPIVGo(t *testing.T) {
	ca := pivtest.NewCA(t)
	suite := buildSuite(t, ca)
	t.Run("5.4.3", func(t *testing.T) {
		t.Parallel()
		judge(t, suite, pivtest.Start(t, pivtest.AttestedBy(ca)), map[string]string{
			"TestPINPolicyMatchOnceIntegration":        bio,
			"TestPINPolicyMatchAlwaysTwoVerifications": bio,
			"TestPINPolicyMatchOnceSingleVerification": bio,
			"TestYubiKeySignEd25519":                   later,
			"TestYubiKeyX25519ECDH":                    noCurve,
		}, map[string]int{"pass": 117, "skip": 21, "fail": 1})
	})
	t.Run("5.7.2", func(t *testing.T) {
		t.Parallel()
		judge(t, suite, pivtest.Start(t, pivtest.AttestedBy(ca), pivtest.Firmware(5, 7, 2)), map[string]string{
			"TestPINPolicyMatchOnceIntegration":        bio,
			"TestPINPolicyMatchAlwaysTwoVerifications": bio,
			"TestPINPolicyMatchOnceSingleVerification": bio,
		}, map[string]int{"pass": 142, "skip": 3})
	})
}

// buildSuite compiles piv-go's tests from a copy of the module.
func buildSuite(t *testing.T, ca *pivtest.CA) string {
	t.Helper()
	var module struct{ Dir, Error string }
	out, err := exec.Command("go", "mod", "download", "-json", pivGo).Output()
	if e := json.Unmarshal(out, &module); err != nil || e != nil {
		t.Fatalf("download of %s: %v: %s\nhint: the module cache or a module proxy must have it", pivGo, err, module.Error)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(module.Dir)); err != nil {
		t.Fatal(err)
	}
	trusted := filepath.Join(dir, "piv", "certs", "yubico-ca-1.pem")
	roots, err := os.ReadFile(trusted)
	if err != nil {
		t.Fatal(err)
	}
	roots = append(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Root().Raw})...)
	if err := errors.Join(os.Chmod(trusted, 0o600), os.WriteFile(trusted, roots, 0o600)); err != nil {
		t.Fatal(err)
	}
	suite := filepath.Join(t.TempDir(), "piv.test")
	build := exec.Command("go", "test", "-c", "-trimpath", "-o", suite, "./piv")
	build.Dir = dir
	build.Env = append(build.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build of piv-go's tests: %v\n%s\nhint: apt-get install gcc pkg-config libpcsclite-dev", err, out)
	}
	return suite
}

// judge runs the suite and compares its results with what is expected: a pass of
// each test but the exceptions, and so many in all, subtests counted.
func judge(t *testing.T, suite string, card *pivtest.Card, exceptions map[string]string, want map[string]int) {
	t.Helper()
	cmd := exec.Command("go", "tool", "test2json", suite, "-test.v=test2json", "-wipe-yubikey")
	// One test makes a key of 512 bits on the host, to see it refused.
	cmd.Env = append(append(cmd.Environ(), card.Environ()...), "GODEBUG=rsa1024min=0", "PIV_BIO_TESTS=1")
	out, err := cmd.Output()
	if len(out) == 0 {
		t.Fatalf("piv-go's tests: %v", err)
	}
	results, text := parseResults(t, out)
	count := map[string]int{}
	for name, result := range results {
		top, _, _ := strings.Cut(name, "/")
		count[result]++
		why, excepted := exceptions[top]
		switch {
		case excepted:
		case result == "skip" && strings.Contains(text[name], "requires yubikey version 5.7.0: got 5.4.3"):
			why = later
		case result != "pass":
			t.Errorf("%s: %s\n%s", name, result, text[name])
		}
		if result != "pass" {
			t.Logf("%s %s: %s", result, name, why)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(exceptions)) {
		if result := results[name]; result != "skip" && result != "fail" {
			t.Errorf("%s: %q, and was excepted: %s", name, result, exceptions[name])
		}
	}
	if !maps.Equal(count, want) {
		t.Errorf("piv-go's suite: %v, want %v; is this version 2.6.0?", count, want)
	}
	t.Logf("piv-go's suite: %v", count)
}

// parseResults reads the events of test2json: what became of each test, and what
// it said.
func parseResults(t *testing.T, out []byte) (results, text map[string]string) {
	t.Helper()
	results, text = map[string]string{}, map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct{ Action, Test, Output string }
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		switch event.Action {
		case "pass", "fail", "skip":
			if event.Test != "" {
				results[event.Test] = event.Action
			}
		case "output":
			text[event.Test] += event.Output
		}
	}
	return results, text
}
