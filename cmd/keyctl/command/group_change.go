package command

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/spf13/cobra"
)

func newGroupDelete(c *cli) *cobra.Command {
	o := &deleteOptions{}
	cmd := &cobra.Command{
		Use:     "delete NAME",
		Short:   "Remove a group",
		Example: "  keyctl group delete operators",
		Args:    cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			o.name = args[0]
			return c.groupDelete(ctx, cl, *o)
		}),
	}
	cmd.Flags().BoolVar(&o.force, "force", false, "remove its users and policies from it first")
	return cmd
}

func (c *cli) groupDelete(ctx context.Context, cl *client, o deleteOptions) error {
	if o.force {
		users, err := cl.members(ctx, o.name, &groupDoc{})
		if err != nil {
			return err
		}
		for _, u := range users {
			if _, err := cl.iam.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: &o.name, UserName: &u}); err != nil {
				return err
			}
		}
		if err := cl.strip(ctx, holder{group: o.name}); err != nil {
			return err
		}
	}
	if _, err := cl.iam.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: &o.name}); err != nil {
		return err
	}
	return c.done(nameDoc{GroupName: o.name}, "group %s: deleted", o.name)
}

// membersDoc is the JSON of group add and remove: who was added or removed.
type membersDoc struct {
	GroupName string
	Users     []string
}

func newGroupAdd(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "add GROUP USER...",
		Short:   "Put users into a group",
		Example: "  keyctl group add operators alice bob",
		Args:    cobra.MinimumNArgs(2),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			for _, user := range args[1:] {
				if _, err := cl.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: &args[0], UserName: &user}); err != nil {
					return err
				}
			}
			return c.done(membersDoc{args[0], args[1:]}, "group %s: has %s now", args[0], strings.Join(args[1:], " "))
		}),
	}
}

func newGroupRemove(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "remove GROUP USER...",
		Short:   "Take users out of a group",
		Example: "  keyctl group remove operators bob",
		Args:    cobra.MinimumNArgs(2),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			for _, user := range args[1:] {
				if _, err := cl.iam.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: &args[0], UserName: &user}); err != nil {
					return err
				}
			}
			return c.done(membersDoc{args[0], args[1:]}, "group %s: no longer has %s", args[0], strings.Join(args[1:], " "))
		}),
	}
}
