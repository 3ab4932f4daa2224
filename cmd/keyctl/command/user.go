package command

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

func newUser(c *cli) *cobra.Command {
	return parent("user", "Make, see and remove users",
		newUserCreate(c), newUserList(c), newUserShow(c), newUserDelete(c), newUserTag(c))
}

// userDoc is the JSON of a user, as IAM answers it.
type userDoc struct {
	UserName   string
	UserID     string `json:"UserId"`
	ARN        string `json:"Arn"`
	Path       string
	CreateDate time.Time
	Boundary   string   `json:"PermissionsBoundaryArn,omitempty"`
	Tags       []tagDoc `json:",omitempty"`
}

func newUserDoc(u types.User) userDoc {
	doc := userDoc{
		UserName: aws.ToString(u.UserName), UserID: aws.ToString(u.UserId), ARN: aws.ToString(u.Arn),
		Path: aws.ToString(u.Path), CreateDate: aws.ToTime(u.CreateDate).UTC(), Boundary: boundaryOf(u.PermissionsBoundary),
	}
	if len(u.Tags) > 0 {
		doc.Tags = tagDocs(u.Tags)
	}
	return doc
}

func (u userDoc) table() *term.Table {
	t := term.NewTable()
	t.Row("user", u.UserName)
	t.Row("arn", u.ARN)
	t.Row("user id", u.UserID)
	t.Row("created", when(u.CreateDate))
	t.Row("tags", tagText(u.Tags))
	t.Row("boundary", orDash(u.Boundary))
	return t
}

type userCreateOptions struct {
	name, path, boundary string
	tags                 pairs
}

func newUserCreate(c *cli) *cobra.Command {
	o := &userCreateOptions{}
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a user, who may do nothing yet",
		Example: `  keyctl user create alice --tag team=payments
  keyctl policy attach ReadOnlyAccess --user alice
  keyctl access-key create alice`,
		Args: cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			o.name = args[0]
			return c.userCreate(ctx, cl, *o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.path, "path", "", "`PATH` before the name in the ARN, such as /eng/")
	f.StringVar(&o.boundary, "boundary", "", "`POLICY` that bounds what the user can ever be allowed")
	f.Var(&o.tags, "tag", "a tag; may be repeated")
	return cmd
}

func (c *cli) userCreate(ctx context.Context, cl *client, o userCreateOptions) error {
	boundary, err := cl.optionalPolicy(ctx, o.boundary)
	if err != nil {
		return err
	}
	out, err := cl.iam.CreateUser(ctx, &iam.CreateUserInput{
		UserName: &o.name, Path: optional(o.path), PermissionsBoundary: boundary, Tags: iamTags(o.tags),
	})
	if err != nil {
		return err
	}
	doc := newUserDoc(*out.User)
	return c.show(doc, doc.table())
}

func newUserList(c *cli) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Every user",
		Example: "  keyctl user list\n  keyctl user list --path /eng/ -o json | jq -r '.Users[].UserName'",
		Args:    cobra.NoArgs,
		RunE: c.connected(func(ctx context.Context, cl *client, _ []string) error {
			return c.userList(ctx, cl, path)
		}),
	}
	cmd.Flags().StringVar(&path, "path", "", "only users whose path begins with `PREFIX`")
	return cmd
}

// userListDoc is the JSON of user list.
type userListDoc struct{ Users []userDoc }

func (c *cli) userList(ctx context.Context, cl *client, path string) error {
	users, err := cl.users(ctx, path)
	if err != nil {
		return err
	}
	doc := userListDoc{Users: []userDoc{}}
	t := term.NewTable("USER", "CREATED", "ARN")
	for _, u := range users {
		d := newUserDoc(u)
		doc.Users = append(doc.Users, d)
		t.Row(d.UserName, when(d.CreateDate), d.ARN)
	}
	return c.show(doc, t)
}

func (cl *client) users(ctx context.Context, path string) ([]types.User, error) {
	return all(ctx, iam.NewListUsersPaginator(cl.iam, &iam.ListUsersInput{PathPrefix: optional(path)}),
		func(o *iam.ListUsersOutput) []types.User { return o.Users })
}
