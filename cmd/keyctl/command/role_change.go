package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/policy"
)

func newRoleDelete(c *cli) *cobra.Command {
	o := &deleteOptions{}
	cmd := &cobra.Command{
		Use:     "delete NAME",
		Short:   "Remove a role; its sessions end at once",
		Example: "  keyctl role delete deploy --force",
		Args:    cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			o.name = args[0]
			return c.roleDelete(ctx, cl, *o)
		}),
	}
	cmd.Flags().BoolVar(&o.force, "force", false, "delete its inline policies and detach the others first")
	return cmd
}

func (c *cli) roleDelete(ctx context.Context, cl *client, o deleteOptions) error {
	if o.force {
		if err := cl.strip(ctx, holder{role: o.name}); err != nil {
			return err
		}
	}
	if _, err := cl.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &o.name}); err != nil {
		return err
	}
	return c.done(nameDoc{RoleName: o.name}, "role %s: deleted", o.name)
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
	text, err := c.readDocument(file, policy.Trust)
	if err != nil {
		return err
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	if _, err := cl.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: &text}); err != nil {
		return err
	}
	return c.done(nameDoc{RoleName: name}, "role %s: trust policy set", name)
}
