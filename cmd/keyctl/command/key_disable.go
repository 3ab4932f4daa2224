package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/spf13/cobra"
)

func newKeyDisable(c *cli) *cobra.Command {
	return c.changeKey(&cobra.Command{
		Use:   "disable KEY",
		Short: "Stop a key from encrypting and decrypting, at once, until it is enabled",
		Long: `Stop a key from encrypting and decrypting until it is enabled again. When this
command returns, the key does not work any more.

It is the safe way to find out who still needs a key, before keyctl key delete.`,
		Example: "  keyctl key disable alias/app",
	}, func(ctx context.Context, cl *client, arn *string) error {
		_, err := cl.kms.DisableKey(ctx, &kms.DisableKeyInput{KeyId: arn})
		return err
	}, "disabled")
}
