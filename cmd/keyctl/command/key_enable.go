package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/spf13/cobra"
)

func newKeyEnable(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "enable KEY",
		Short:   "Let a disabled key work again",
		Example: "  keyctl key enable alias/app",
		Args:    cobra.ExactArgs(1),
		RunE:    c.run(func(ctx context.Context, args []string) error { return c.keyEnable(ctx, args[0]) }),
	}
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

func (c *cli) keyEnable(ctx context.Context, key string) error {
	return c.change(ctx, key, func(cl *client, arn *string) error {
		_, err := cl.kms.EnableKey(ctx, &kms.EnableKeyInput{KeyId: arn})
		return err
	}, "enabled")
}
