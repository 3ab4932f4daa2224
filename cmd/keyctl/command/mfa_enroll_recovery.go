package command

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/internal/term"
)

type recoveryOptions struct {
	user string
	out  string
}

func newEnrollRecovery(c *cli) *cobra.Command {
	o := &recoveryOptions{}
	cmd := &cobra.Command{
		Use:   "recovery",
		Short: "Ten codes for the day that the device is lost",
		Long: `Ten codes for the day that the device is lost. Each is good once, wherever a code
of a device is, and unlocks the user's devices. They are shown this once: print
them, or write them to a file with --out, and lock them away.

Earlier codes of the user are void then.`,
		Example: "  keyctl mfa enroll recovery --user alice --out alice-recovery.txt",
		Args:    cobra.NoArgs,
		RunE:    c.run(func(ctx context.Context, _ []string) error { return c.enrollRecovery(ctx, *o) }),
	}
	cmd.Flags().StringVar(&o.user, "user", "", "whose codes; root for the root user (default: yours)")
	cmd.Flags().StringVar(&o.out, "out", "", "new `FILE` for the codes, readable by you alone")
	return cmd
}

// recoveryDoc is the JSON of mfa enroll recovery.
type recoveryDoc struct {
	UserName string   `json:",omitempty"`
	Codes    []string `json:",omitempty"`
	Out      string   `json:",omitempty"`
}

func (c *cli) enrollRecovery(ctx context.Context, o recoveryOptions) (err error) {
	ctx, stop := interruptible(ctx)
	defer stop()
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	var file *os.File
	if o.out != "" {
		// Opened first: the codes are shown once, and the old ones void.
		if file, err = os.OpenFile(o.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return err
		}
		// Without the codes in it, it is only in the way of the next try.
		defer func() {
			if err != nil && file != nil {
				_ = file.Close() // fill may have done it
				err = errors.Join(err, os.Remove(o.out))
			}
		}()
	}
	var made mfaapi.CreateRecoveryCodesResponse
	if err := cl.mfa.call(ctx, "CreateRecoveryCodes", mfaapi.CreateRecoveryCodesRequest{UserName: optional(o.user)}, &made); err != nil {
		return err
	}
	doc, t := recoveryDoc{UserName: o.user, Out: o.out}, term.NewTable()
	for _, code := range made.Codes {
		doc.Codes = append(doc.Codes, string(code))
		t.Row(string(code))
	}
	if file == nil {
		return c.show(doc, t)
	}
	if err := fill(file, []byte(strings.Join(doc.Codes, "\n")+"\n")); err != nil {
		return err
	}
	n := len(doc.Codes)
	doc.Codes, file = nil, nil
	return c.done(doc, "%d recovery codes: in %s", n, o.out)
}
