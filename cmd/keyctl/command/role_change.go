package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/policy"
)

func newRoleDelete(c *cli) *cobra.Command {
	return c.deletion(&cobra.Command{Short: "Remove a role; its sessions end at once", Example: "  keyctl role delete deploy --force"},
		"delete its inline policies and detach the others first", func(name string) holder { return holder{role: name} },
		func(cl *client, ctx context.Context, name string) error { return cl.strip(ctx, holder{role: name}) })
}

func newRoleTrust(c *cli) *cobra.Command {
	return parent("trust", "Set who may assume a role", &cobra.Command{
		Use:     "put NAME [FILE]",
		Short:   "Set a role's trust policy, from FILE or standard input",
		Example: "  keyctl role trust put deploy trust.json",
		Args:    cobra.RangeArgs(1, 2),
		RunE:    c.run(func(ctx context.Context, args []string) error { return c.roleTrustPut(ctx, args[0], first(args[1:])) }),
	})
}

func (c *cli) roleTrustPut(ctx context.Context, name, file string) error {
	cl, text, err := c.connectWith(ctx, file, policy.Trust)
	if err != nil {
		return err
	}
	if _, err := cl.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: &text}); err != nil {
		return err
	}
	return c.done(nameDoc{RoleName: name}, "role %s: trust policy set", name)
}
