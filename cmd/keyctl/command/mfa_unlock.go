package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/api/mfaapi"
)

func newMFAUnlock(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "unlock [USER]",
		Short: "Forget the wrong codes of a user, and unlock the devices",
		Long: `Forget the wrong codes of a user, or your own, and unlock the devices. Find out first
who guessed: keyctl audit tail shows each wrong code, and where it came from.`,
		Example: "  keyctl mfa unlock alice",
		Args:    cobra.MaximumNArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			user := first(args)
			if err := cl.mfa.call(ctx, "UnlockMFA", mfaapi.UnlockMFARequest{UserName: optional(user)}, nil); err != nil {
				return err
			}
			who := user
			if who == "" {
				who = "your devices"
			}
			return c.done(mfaUserDoc{user}, "%s: unlocked", who)
		}),
	}
}

// mfaUserDoc is the JSON of mfa unlock.
type mfaUserDoc struct {
	UserName string `json:",omitempty"`
}
