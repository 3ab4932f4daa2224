package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/policy"
)

type policyGiveOptions struct {
	name, file string
	holder     holder
}

func newPolicyAttach(c *cli) *cobra.Command {
	o := &policyGiveOptions{}
	cmd := &cobra.Command{
		Use:     "attach POLICY --user|--group|--role NAME",
		Short:   "Give a managed policy to a user, group or role",
		Example: "  keyctl policy attach ReadOnlyAccess --group auditors",
		Args:    cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			o.name = args[0]
			return c.policyGive(ctx, cl, *o, cl.attach, "has")
		}),
	}
	o.holder.flags(cmd)
	return cmd
}

func newPolicyDetach(c *cli) *cobra.Command {
	o := &policyGiveOptions{}
	cmd := &cobra.Command{
		Use:     "detach POLICY --user|--group|--role NAME",
		Short:   "Take a managed policy from a user, group or role",
		Example: "  keyctl policy detach ReadOnlyAccess --group auditors",
		Args:    cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			o.name = args[0]
			return c.policyGive(ctx, cl, *o, cl.detach, "no longer has")
		}),
	}
	o.holder.flags(cmd)
	return cmd
}

func (c *cli) policyGive(ctx context.Context, cl *client, o policyGiveOptions,
	do func(ctx context.Context, h holder, arn string) error, say string) error {
	arn, err := cl.policyARN(ctx, o.name)
	if err != nil {
		return err
	}
	if err := do(ctx, o.holder, arn); err != nil {
		return err
	}
	doc := o.holder.doc()
	doc.PolicyARN = arn
	return c.done(doc, "%s: %s %s", o.holder, say, arn)
}

func newPolicyPutInline(c *cli) *cobra.Command {
	o := &policyGiveOptions{}
	cmd := &cobra.Command{
		Use:     "put-inline NAME [FILE] --user|--group|--role NAME",
		Short:   "Set a policy that is part of a user, group or role",
		Example: "  keyctl policy put-inline own-keys policy.json --user alice",
		Args:    cobra.RangeArgs(1, 2),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.name, o.file = args[0], first(args[1:])
			return c.policyPutInline(ctx, *o)
		}),
	}
	o.holder.flags(cmd)
	return cmd
}

func (c *cli) policyPutInline(ctx context.Context, o policyGiveOptions) error {
	cl, text, err := c.connectWith(ctx, o.file, policy.Identity)
	if err != nil {
		return err
	}
	if err := cl.putInline(ctx, o.holder, o.name, text); err != nil {
		return err
	}
	doc := o.holder.doc()
	doc.PolicyName = o.name
	return c.done(doc, "%s: has the inline policy %s now", o.holder, o.name)
}

func newPolicyDeleteInline(c *cli) *cobra.Command {
	o := &policyGiveOptions{}
	cmd := &cobra.Command{
		Use:     "delete-inline NAME --user|--group|--role NAME",
		Short:   "Remove an inline policy",
		Example: "  keyctl policy delete-inline own-keys --user alice",
		Args:    cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			if err := cl.deleteInline(ctx, o.holder, args[0]); err != nil {
				return err
			}
			doc := o.holder.doc()
			doc.PolicyName = args[0]
			return c.done(doc, "%s: no longer has the inline policy %s", o.holder, args[0])
		}),
	}
	o.holder.flags(cmd)
	return cmd
}
