// Package e2e_test runs both programs as a person types them, against a real
// SoftHSM2 token, AWS's command line and OpenSC's tools.
//
// The scripts are testdata/*.txtar; TestScripts says which commands they have
// beside testscript's own.
package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	keyctl "github.com/keyd-hsm/keyd/cmd/keyctl/command"
	keyd "github.com/keyd-hsm/keyd/cmd/keyd/command"
	"github.com/keyd-hsm/keyd/softhsm"
)

// TestMain makes this test program keyd and keyctl as well, under those names
// on the PATH, so that both are real processes, and watched for data races.
func TestMain(m *testing.M) {
	testscript.Main(needing{m}, map[string]func(){
		"keyd":   func() { os.Exit(keyd.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		"keyctl": func() { os.Exit(keyctl.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// needing runs tests where the tools they need are.
type needing struct{ m *testing.M }

func (n needing) Run() int {
	// Without this a race-instrumented process sleeps a second when it ends.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		panic(err)
	}
	_, err := softhsm.FindModule()
	missing := err != nil
	for _, tool := range []string{"softhsm2-util", "pkcs11-tool"} {
		_, err := exec.LookPath(tool)
		missing = missing || err != nil
	}
	if missing || awsCLI() == "" || spyModule() == "" {
		fmt.Fprintln(os.Stderr, "SoftHSM2, OpenSC or the AWS CLI is not installed: run make setup")
		return 1
	}
	return n.m.Run()
}

// awsCLI finds AWS's command line: the distribution's first, for what else is
// called aws on a PATH may be a shim.
func awsCLI() string {
	for _, name := range []string{"/usr/bin/aws", "aws"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}
