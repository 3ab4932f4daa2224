package command

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

func newGroup(c *cli) *cobra.Command {
	return parent("group", "Make groups of users, who share their policies",
		newGroupCreate(c), newGroupList(c), newGroupShow(c), newGroupDelete(c), newGroupAdd(c), newGroupRemove(c))
}

// groupDoc is the JSON of a group, as IAM answers it.
type groupDoc struct {
	GroupName  string
	GroupID    string `json:"GroupId"`
	ARN        string `json:"Arn"`
	Path       string
	CreateDate time.Time
}

func newGroupDoc(g types.Group) groupDoc {
	return groupDoc{aws.ToString(g.GroupName), aws.ToString(g.GroupId), aws.ToString(g.Arn), aws.ToString(g.Path), aws.ToTime(g.CreateDate).UTC()}
}

func (g groupDoc) table() *term.Table {
	t := term.NewTable()
	t.Row("group", g.GroupName)
	t.Row("arn", g.ARN)
	t.Row("group id", g.GroupID)
	t.Row("created", when(g.CreateDate))
	return t
}

func newGroupCreate(c *cli) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     "create NAME",
		Short:   "Make a group",
		Example: "  keyctl group create operators\n  keyctl policy attach ReadOnlyAccess --group operators",
		Args:    cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			out, err := cl.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: &args[0], Path: optional(path)})
			if err != nil {
				return err
			}
			doc := newGroupDoc(*out.Group)
			return c.show(doc, doc.table())
		}),
	}
	cmd.Flags().StringVar(&path, "path", "", "`PATH` before the name in the ARN, such as /eng/")
	return cmd
}

func newGroupList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Every group",
		Example: "  keyctl group list",
		Args:    cobra.NoArgs,
		RunE:    c.connected(func(ctx context.Context, cl *client, _ []string) error { return c.groupList(ctx, cl) }),
	}
}

// groupListDoc is the JSON of group list.
type groupListDoc struct{ Groups []groupDoc }

func (c *cli) groupList(ctx context.Context, cl *client) error {
	groups, err := all(ctx, iam.NewListGroupsPaginator(cl.iam, &iam.ListGroupsInput{}),
		func(o *iam.ListGroupsOutput) []types.Group { return o.Groups })
	if err != nil {
		return err
	}
	doc := groupListDoc{Groups: []groupDoc{}}
	t := term.NewTable("GROUP", "CREATED", "ARN")
	for _, g := range groups {
		d := newGroupDoc(g)
		doc.Groups = append(doc.Groups, d)
		t.Row(d.GroupName, when(d.CreateDate), d.ARN)
	}
	return c.show(doc, t)
}

func newGroupShow(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "A group with its members and policies",
		Example: "  keyctl group show operators",
		Args:    cobra.ExactArgs(1),
		RunE:    c.connected(func(ctx context.Context, cl *client, args []string) error { return c.groupShow(ctx, cl, args[0]) }),
	}
}

// groupShowDoc is the JSON of group show.
type groupShowDoc struct {
	groupDoc
	Users            []string
	AttachedPolicies []attachedDoc
	PolicyNames      []string
}

func (c *cli) groupShow(ctx context.Context, cl *client, name string) error {
	doc := groupShowDoc{}
	var err error
	if doc.Users, err = cl.members(ctx, name, &doc.groupDoc); err != nil {
		return err
	}
	if doc.AttachedPolicies, doc.PolicyNames, err = cl.policies(ctx, holder{group: name}); err != nil {
		return err
	}
	t := doc.groupDoc.table()
	t.Row("users", orDash(strings.Join(doc.Users, " ")))
	policyRows(t, doc.AttachedPolicies, doc.PolicyNames)
	return c.show(doc, t)
}

// members returns the names of a group's users, and the group itself in g.
func (cl *client) members(ctx context.Context, name string, g *groupDoc) ([]string, error) {
	return all(ctx, iam.NewGetGroupPaginator(cl.iam, &iam.GetGroupInput{GroupName: &name}),
		func(o *iam.GetGroupOutput) (names []string) {
			*g = newGroupDoc(*o.Group)
			for _, u := range o.Users {
				names = append(names, aws.ToString(u.UserName))
			}
			return names
		})
}
