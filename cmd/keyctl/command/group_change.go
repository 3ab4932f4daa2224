package command

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/spf13/cobra"
)

func newGroupDelete(c *cli) *cobra.Command {
	return c.deletion(&cobra.Command{Short: "Remove a group", Example: "  keyctl group delete operators"},
		"remove its users and policies from it first", func(name string) holder { return holder{group: name} }, (*client).emptyGroup)
}

// emptyGroup takes from a group what stands in the way of deletion.
func (cl *client) emptyGroup(ctx context.Context, name string) error {
	users, err := cl.members(ctx, name, &groupDoc{})
	if err != nil {
		return err
	}
	for _, user := range users {
		if err := cl.leave(ctx, name, user); err != nil {
			return err
		}
	}
	return cl.strip(ctx, holder{group: name})
}

// join puts a user into a group, and leave takes one out.
func (cl *client) join(ctx context.Context, group, user string) error {
	_, err := cl.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: &group, UserName: &user})
	return err
}

func (cl *client) leave(ctx context.Context, group, user string) error {
	_, err := cl.iam.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: &group, UserName: &user})
	return err
}

// membersDoc is the JSON of group add and remove: who was added or removed.
type membersDoc struct {
	GroupName string
	Users     []string
}

func newGroupAdd(c *cli) *cobra.Command {
	return c.membership(&cobra.Command{
		Use:     "add GROUP USER...",
		Short:   "Put users into a group",
		Example: "  keyctl group add operators alice bob",
	}, (*client).join, "group %s: has %s now")
}

func newGroupRemove(c *cli) *cobra.Command {
	return c.membership(&cobra.Command{
		Use:     "remove GROUP USER...",
		Short:   "Take users out of a group",
		Example: "  keyctl group remove operators bob",
	}, (*client).leave, "group %s: no longer has %s")
}

// membership completes a verb that changes who is in a group.
func (c *cli) membership(cmd *cobra.Command, do func(cl *client, ctx context.Context, group, user string) error, say string) *cobra.Command {
	cmd.Args = cobra.MinimumNArgs(2)
	cmd.RunE = c.connected(func(ctx context.Context, cl *client, args []string) error {
		for _, user := range args[1:] {
			if err := do(cl, ctx, args[0], user); err != nil {
				return err
			}
		}
		return c.done(membersDoc{args[0], args[1:]}, say, args[0], strings.Join(args[1:], " "))
	})
	return cmd
}
