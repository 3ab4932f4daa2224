package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/spf13/cobra"
)

func newKeyCancelDeletion(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "cancel-deletion KEY",
		Short:   "Keep a key that waits for its deletion; it is disabled then",
		Example: "  keyctl key cancel-deletion alias/app && keyctl key enable alias/app",
		Args:    cobra.ExactArgs(1),
		RunE:    c.run(func(ctx context.Context, args []string) error { return c.keyCancelDeletion(ctx, args[0]) }),
	}
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

func (c *cli) keyCancelDeletion(ctx context.Context, key string) error {
	return c.change(ctx, key, func(cl *client, arn *string) error {
		_, err := cl.kms.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: arn})
		return err
	}, "deletion cancelled; the key is disabled now. To use it: keyctl key enable "+key)
}
