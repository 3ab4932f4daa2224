package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/spf13/cobra"
)

func newKeyUpdate(c *cli) *cobra.Command {
	var description string
	cmd := &cobra.Command{
		Use:     "update KEY --description TEXT",
		Short:   "Change a key's description",
		Example: `  keyctl key update alias/app --description "customer records, EU"`,
		Args:    cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			return c.keyUpdate(ctx, args[0], description)
		}),
	}
	cmd.Flags().StringVar(&description, "description", "", "what the key is for; not secret")
	must(cmd.MarkFlagRequired("description"))
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

func (c *cli) keyUpdate(ctx context.Context, key, description string) error {
	return c.change(ctx, key, func(cl *client, arn *string) error {
		_, err := cl.kms.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: arn, Description: &description})
		return err
	}, "updated")
}
