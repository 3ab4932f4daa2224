package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/spf13/cobra"
)

func newAliasDelete(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "delete NAME",
		Short:   "Take a name away; the key stays",
		Example: "  keyctl alias delete app",
		Args:    cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			return c.aliasDelete(ctx, aliasName(args[0]))
		}),
	}
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

func (c *cli) aliasDelete(ctx context.Context, name string) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	if _, err := cl.kms.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: &name}); err != nil {
		return err
	}
	return c.done(aliasDoc{AliasName: name}, "%s: deleted", name)
}
