package command

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"
)

func newSession(c *cli) *cobra.Command {
	var duration time.Duration
	cmd := &cobra.Command{
		Use:   "session",
		Short: "Temporary credentials of your own",
		Long: `Temporary credentials of your own, to give to a program in place of your access
key: they end by themselves.

` + exportsHelp,
		Example: `  eval "$(keyctl session --duration 2h)"`,
		Args:    cobra.NoArgs,
		RunE: c.connected(func(ctx context.Context, cl *client, _ []string) error {
			return c.session(ctx, cl, duration)
		}),
	}
	cmd.Flags().DurationVar(&duration, "duration", 0, "how long they last, 15m to 36h (default 12h)")
	cmd.AddCommand(newSessionRevoke(c))
	return cmd
}

func (c *cli) session(ctx context.Context, cl *client, duration time.Duration) error {
	seconds, err := durationSeconds("--duration", duration)
	if err != nil {
		return err
	}
	out, err := cl.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{DurationSeconds: seconds})
	if err != nil {
		return err
	}
	return c.showCredentials(credentialsDoc{Credentials: newCredentialDoc(out.Credentials)})
}
