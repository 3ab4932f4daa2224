package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/spf13/cobra"
)

func newAliasCreate(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "create NAME KEY",
		Short:   "Name a key; alias/ before NAME may be left out",
		Example: "  keyctl alias create app 1234abcd-12ab-34cd-56ef-1234567890ab",
		Args:    cobra.ExactArgs(2),
		RunE: c.run(func(ctx context.Context, args []string) error {
			return c.aliasCreate(ctx, aliasName(args[0]), args[1])
		}),
	}
	cmd.ValidArgsFunction = c.completeKey(1)
	return cmd
}

func (c *cli) aliasCreate(ctx context.Context, name, key string) error {
	return c.pointAlias(ctx, name, key, func(cl *client, arn *string) error {
		_, err := cl.kms.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: arn})
		return err
	})
}

// pointAlias runs an operation that makes an alias name a key, and says so.
func (c *cli) pointAlias(ctx context.Context, name, key string, do func(cl *client, arn *string) error) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	arn, err := cl.resolve(ctx, key)
	if err != nil {
		return err
	}
	if err := do(cl, &arn); err != nil {
		return err
	}
	return c.done(aliasDoc{AliasName: name, TargetKeyID: arn}, "%s: names %s now", name, arn)
}
