package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/spf13/cobra"
)

func newUserDelete(c *cli) *cobra.Command {
	return c.deletion(&cobra.Command{
		Short: "Remove a user; access ends at once",
		Long: `Remove a user. Whoever has access keys, groups or policies is not removed unless
--force takes these first: the access keys before all else. A user made later
under the same name is another one, and inherits nothing.`,
		Example: "  keyctl user delete alice --force",
	}, "delete the user's access keys and inline policies, detach the rest, leave the groups",
		func(name string) holder { return holder{user: name} }, (*client).emptyUser)
}

// deletion completes the verb that deletes holders of one kind; with --force,
// empty first takes what stands in the way.
func (c *cli) deletion(cmd *cobra.Command, forceHelp string, kind func(name string) holder,
	empty func(cl *client, ctx context.Context, name string) error) *cobra.Command {
	var force bool
	cmd.Use, cmd.Args = "delete NAME", cobra.ExactArgs(1)
	cmd.RunE = c.connected(func(ctx context.Context, cl *client, args []string) error {
		if force {
			if err := empty(cl, ctx, args[0]); err != nil {
				return err
			}
		}
		h := kind(args[0])
		if err := cl.deleteHolder(ctx, h); err != nil {
			return err
		}
		return c.done(nameDoc{UserName: h.user, GroupName: h.group, RoleName: h.role}, "%s: deleted", h)
	})
	cmd.Flags().BoolVar(&force, "force", false, forceHelp)
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
	devices, err := cl.listMFA(ctx, name)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if _, err := cl.iam.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: &name, SerialNumber: d.SerialNumber}); err != nil {
			return err
		}
	}
	groups, err := cl.groupsOf(ctx, name)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := cl.leave(ctx, g, name); err != nil {
			return err
		}
	}
	return cl.strip(ctx, holder{user: name})
}
