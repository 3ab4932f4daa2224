package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/spf13/cobra"
)

type deleteOptions struct {
	name  string
	force bool
}

func newUserDelete(c *cli) *cobra.Command {
	o := &deleteOptions{}
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Remove a user; access ends at once",
		Long: `Remove a user. Whoever has access keys, groups or policies is not removed unless
--force takes these first: the access keys before all else. A user made later
under the same name is another one, and inherits nothing.`,
		Example: "  keyctl user delete alice --force",
		Args:    cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			o.name = args[0]
			return c.userDelete(ctx, cl, *o)
		}),
	}
	cmd.Flags().BoolVar(&o.force, "force", false, "delete the user's access keys and inline policies, detach the rest, leave the groups")
	return cmd
}

// nameDoc is the JSON of a verb that removes.
type nameDoc struct {
	UserName    string `json:",omitempty"`
	GroupName   string `json:",omitempty"`
	RoleName    string `json:",omitempty"`
	PolicyARN   string `json:"PolicyArn,omitempty"`
	AccessKeyID string `json:"AccessKeyId,omitempty"`
}

func (c *cli) userDelete(ctx context.Context, cl *client, o deleteOptions) error {
	if o.force {
		if err := cl.emptyUser(ctx, o.name); err != nil {
			return err
		}
	}
	if _, err := cl.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &o.name}); err != nil {
		return err
	}
	return c.done(nameDoc{UserName: o.name}, "user %s: deleted", o.name)
}

// emptyUser takes from a user what stands in the way of deletion.
func (cl *client) emptyUser(ctx context.Context, name string) error {
	keys, err := cl.listAccessKeys(ctx, name)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if _, err := cl.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: &name, AccessKeyId: k.AccessKeyId}); err != nil {
			return err
		}
	}
	groups, err := cl.groupsOf(ctx, name)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if _, err := cl.iam.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: &name, GroupName: &g}); err != nil {
			return err
		}
	}
	return cl.strip(ctx, holder{user: name})
}
