package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// exit is how keyctl ends. The numbers are a promise to scripts.
type exit int

const (
	exitOK          exit = iota // done
	exitFailure                 // failed, for a reason with no number of its own
	exitUsage                   // the command line or a value in it was not accepted
	exitRefused                 // who you are, or what you may do; a PIN or touch
	exitNotFound                // no such key, grant, key store, identity, policy or file
	exitCiphertext              // the ciphertext does not open with that key and context
	exitUnavailable             // keyd, its token or a YubiKey did not answer
	exitState                   // the present state does not allow it
	exitBroken                  // the audit log does not verify
	exitInvalid                 // the signature or MAC is not of that message by that key
)

// exitMeanings documents them, in their order.
var exitMeanings = []string{
	exitOK:          "done",
	exitFailure:     "failed, for a reason with no number of its own",
	exitUsage:       "the command line, a value in it or a policy was not accepted; nothing was changed",
	exitRefused:     "refused: credentials missing, unknown or expired, access denied; PIN or touch missing",
	exitNotFound:    "no such key, alias, grant, key store, user, group, role, policy, file or directory",
	exitCiphertext:  "the ciphertext does not open: altered, another key, or another encryption context",
	exitUnavailable: "keyd, its token or a YubiKey did not answer; the same command may work later",
	exitState:       "the present state does not allow it: disabled, pending deletion, in use, or the name is taken",
	exitBroken:      "the audit log does not verify",
	exitInvalid:     "the signature or MAC is not of that message by that key",
}

// exitCodesTopic is "keyctl help exit-codes".
func exitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Keyctl ends with one of these codes:\n\n")
	for code, meaning := range exitMeanings {
		fmt.Fprintf(&b, "  %d  %s\n", code, meaning)
	}
	b.WriteString("\nWhat went wrong is on standard error: a line \"error: …\", then what to do\nabout it, \"hint: …\".")
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: b.String()}
}
