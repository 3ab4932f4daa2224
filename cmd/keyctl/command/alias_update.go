package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/spf13/cobra"
)

func newAliasUpdate(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "update NAME KEY",
		Short: "Move an alias to another key",
		Long: `Move an alias to another key. What was encrypted before names its own key and
decrypts as ever; what is encrypted from now on uses the new one.`,
		Example: "  keyctl alias update app alias/app-2026",
		Args:    cobra.ExactArgs(2),
		RunE: c.run(func(ctx context.Context, args []string) error {
			return c.aliasUpdate(ctx, aliasName(args[0]), args[1])
		}),
	}
	cmd.ValidArgsFunction = c.completeKey(0, 1)
	return cmd
}

func (c *cli) aliasUpdate(ctx context.Context, name, key string) error {
	return c.pointAlias(ctx, name, key, func(cl *client, arn *string) error {
		_, err := cl.kms.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: &name, TargetKeyId: arn})
		return err
	})
}
