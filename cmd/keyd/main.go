// Command keyd is the key and MFA appliance's daemon.
package main

import (
	"os"

	"github.com/keyd-hsm/keyd/cmd/keyd/command"
)

func main() { os.Exit(command.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
