// Package clients_test runs other people's programs and libraries, unmodified,
// against keyd dev: each is given the standard AWS configuration and nothing
// else, and does its ordinary work and at least one thing that must be refused.
//
// It is a module of its own, so that what these clients need stays out of the
// main one. Programs are built from their modules: sops.mod and cosign.mod hold
// what each was released with. docs/clients.md tells what was run;
// TestDocument holds it to these files.
package clients_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// keyd is the appliance that all tests share. Each makes its own keys and users.
var keyd *appliance

// card is a virtual YubiKey whose keys keyd takes for attested.
var card *yubikey

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run builds the programs, starts card and keyd, runs the tests, stops keyd, and then
// asks keyd and keyctl whether the directory they leave behind is sound.
func run(m *testing.M) (code int, err error) {
	if err := build(); err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "keyd-clients")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := plainEnvironment(dir); err != nil {
		return 1, err
	}
	root := filepath.Join(dir, "piv-root.pem")
	if card, err = insert(root); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, card.remove()) }()
	if keyd, err = start(filepath.Join(dir, "keyd"), "--piv-root", root); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, keyd.stop(), keyd.sound()) }()
	return m.Run(), nil
}

// build makes the programs in bin. keyd is watched for data races.
func build() error {
	for _, p := range []struct{ dir, flag, out, path string }{
		{"../..", "-race", "e2e/clients/bin/", "./cmd/keyd"},
		{"../..", "-trimpath", "e2e/clients/bin/", "./cmd/keyctl"},
		{"../..", "-trimpath", "e2e/clients/bin/", "./e2e/card"},
		{".", "-modfile=sops.mod", "bin/", "github.com/getsops/sops/v3/cmd/sops"},
		{".", "-modfile=cosign.mod", "bin/", "github.com/sigstore/cosign/v3/cmd/cosign"},
	} {
		cmd := exec.Command("go", "build", p.flag, "-o", p.out, p.path)
		cmd.Dir = p.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
		}
	}
	return nil
}

// program is the path of a program that build made.
func program(name string) string {
	path, err := filepath.Abs(filepath.Join("bin", name))
	if err != nil {
		panic(err) // there is no working directory
	}
	return path
}

// plainEnvironment takes away whatever AWS configuration the machine has, and
// the ways to find more. keyd's own is put in its place when it has started.
func plainEnvironment(dir string) error {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	return setenv(map[string]string{
		"AWS_CONFIG_FILE":             filepath.Join(dir, "no-config"),
		"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "no-credentials"),
		"AWS_EC2_METADATA_DISABLED":   "true",
	})
}

func setenv(vars map[string]string) error {
	for name, value := range vars {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}
