package pivtest_test

import (
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// packages says where each judge comes from, for who does not have it.
var packages = map[string]string{
	"yubico-piv-tool": "yubico-piv-tool",
	"pkcs11-tool":     "opensc",
	"opensc-tool":     "opensc",
	"openssl":         "openssl",
}

// desk is a directory with a card beside it, where programs are run.
type desk struct {
	t    *testing.T
	card *pivtest.Card
	dir  string
}

func newDesk(t *testing.T, card *pivtest.Card) desk {
	t.Helper()
	return desk{t, card, t.TempDir()}
}

// run runs a program in the directory and returns what it printed; it must
// succeed.
func (d desk) run(name string, args ...string) string {
	d.t.Helper()
	out, err := d.try(name, args...)
	if err != nil {
		d.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// refused runs a program that must fail, and say why.
func (d desk) refused(why, name string, args ...string) {
	d.t.Helper()
	out, err := d.try(name, args...)
	if err == nil || !strings.Contains(out, why) {
		d.t.Fatalf("%s %s: %v, want a failure that says %q\n%s", name, strings.Join(args, " "), err, why, out)
	}
}

func (d desk) try(name string, args ...string) (string, error) {
	d.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		d.t.Fatalf("%v\nhint: apt-get install %s", err, packages[name])
	}
	cmd := exec.CommandContext(d.t.Context(), path, args...)
	cmd.Dir = d.dir
	cmd.Env = append(cmd.Environ(), d.card.Environ()...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.t.Fatal(err)
	}
	return string(out), err
}

// write puts a file on the desk.
func (d desk) write(name string, content []byte) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), content, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// writeRoot puts the certificate of the card's attestation authority there.
func (d desk) writeRoot(name string) {
	d.t.Helper()
	d.write(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.card.CA().Root().Raw}))
}

// contains checks that a program's output has each of the texts.
func (d desk) contains(out string, texts ...string) {
	d.t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			d.t.Errorf("no %q in:\n%s", text, out)
		}
	}
}
