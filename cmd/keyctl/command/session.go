package command

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"
)

// sessionOptions say how long a session lasts, and by which code it has MFA.
type sessionOptions struct {
	duration     time.Duration
	device, code string
}

func newSession(c *cli) *cobra.Command {
	o := &sessionOptions{}
	cmd := &cobra.Command{
		Use:   "session",
		Short: "Temporary credentials of your own",
		Long: `Temporary credentials of your own, to give to a program in place of your access
key: they end by themselves.

` + exportsHelp,
		Example: `  eval "$(keyctl session --duration 2h)"
  eval "$(keyctl session --mfa-serial alice-phone --mfa-code 123456)"`,
		Args: cobra.NoArgs,
		RunE: c.connected(func(ctx context.Context, cl *client, _ []string) error {
			return c.session(ctx, cl, *o)
		}),
	}
	cmd.Flags().DurationVar(&o.duration, "duration", 0, "how long they last, 15m to 36h (default 12h)")
	cmd.Flags().StringVar(&o.device, "mfa-serial", "", "MFA `DEVICE` whose code is given, by name or serial number")
	cmd.Flags().StringVar(&o.code, "mfa-code", "", "the `CODE` that it shows now")
	cmd.MarkFlagsRequiredTogether("mfa-serial", "mfa-code")
	cmd.AddCommand(newSessionRevoke(c))
	return cmd
}

func (c *cli) session(ctx context.Context, cl *client, o sessionOptions) error {
	seconds, err := durationSeconds("--duration", o.duration)
	if err != nil {
		return err
	}
	in := &sts.GetSessionTokenInput{DurationSeconds: seconds}
	if o.device != "" {
		serial, err := cl.mfaSerial(ctx, o.device)
		if err != nil {
			return err
		}
		in.SerialNumber, in.TokenCode = &serial, &o.code
	}
	out, err := cl.sts.GetSessionToken(ctx, in)
	if err != nil {
		return err
	}
	return c.showCredentials(credentialsDoc{Credentials: newCredentialDoc(out.Credentials)})
}
