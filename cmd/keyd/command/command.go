// Package command is the keyd program: one file per verb, each with its flags
// apart from the function that does the work.
//
// What people read: results on standard output; "error:" and then, where there
// is something to do, "hint:" on standard error, without capital or full stop;
// logs as JSON on standard error.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // it was tried and did not work
	exitUsage   = 2 // the command line or configuration is wrong; nothing was tried
	exitDamaged = 3 // fsck found damage
)

// Main runs keyd with these arguments and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		return report(stderr, err)
	}
	return exitOK
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "keyd",
		Short: "Key and MFA appliance on hardware you own",
		Long: `keyd wraps a PKCS#11 token, or seals its own to a YubiKey, and speaks the AWS
KMS and STS protocols.

  keyd dev     an appliance for development, in one command
  keyd init    make the state of an appliance, once
  keyd serve   run it
  keyd fsck    check a data directory

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 damage found.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("unknown command %q", args[0]), "see keyd --help")
			}
			return nil
		},
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newDev(), newInit(), newServe(), newFsck(), newVersion())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(err, "see "+cmd.CommandPath()+" --help")
	})
	return root
}

// A failure is an error for people: what went wrong, what to do next, and the
// exit code.
type failure struct {
	err  error
	hint string
	code int
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func usage(err error, hint string) error { return &failure{err, hint, exitUsage} }

func hinted(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &failure{err, fmt.Sprintf(format, args...), exitFailure}
}

func report(w io.Writer, err error) int {
	code, hint := exitFailure, ""
	if f := (*failure)(nil); errors.As(err, &f) {
		code, hint = f.code, f.hint
	}
	fmt.Fprintln(w, "error:", err)
	if hint != "" {
		fmt.Fprintln(w, "hint:", hint)
	}
	return code
}

// noArgs refuses arguments, with a hint.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(fmt.Errorf("unexpected argument %q", args[0]), "see "+cmd.CommandPath()+" --help")
	}
	return nil
}
