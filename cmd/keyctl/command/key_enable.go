package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/spf13/cobra"
)

func newKeyEnable(c *cli) *cobra.Command {
	return c.changeKey(&cobra.Command{
		Use:     "enable KEY",
		Short:   "Let a disabled key work again",
		Example: "  keyctl key enable alias/app",
	}, func(ctx context.Context, cl *client, arn *string) error {
		_, err := cl.kms.EnableKey(ctx, &kms.EnableKeyInput{KeyId: arn})
		return err
	}, "enabled")
}
