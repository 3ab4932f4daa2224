package command

import (
	"context"

	"github.com/spf13/cobra"
)

func newKeyDescribe(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "describe KEY",
		Short:   "One key: its names, state and purpose",
		Example: "  keyctl key describe alias/app",
		Args:    cobra.ExactArgs(1),
		RunE:    c.run(func(ctx context.Context, args []string) error { return c.keyDescribe(ctx, args[0]) }),
	}
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

func (c *cli) keyDescribe(ctx context.Context, key string) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	k, err := cl.describe(ctx, key)
	if err != nil {
		return err
	}
	return c.showKey(k)
}
