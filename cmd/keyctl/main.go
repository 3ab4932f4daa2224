// Keyctl administers keyd, the key and MFA appliance: "keyctl help" says how.
package main

import (
	"os"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
)

func main() {
	os.Exit(command.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
