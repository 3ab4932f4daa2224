package command

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

func newRoleList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Every role",
		Example: "  keyctl role list",
		Args:    cobra.NoArgs,
		RunE:    c.connected(func(ctx context.Context, cl *client, _ []string) error { return c.roleList(ctx, cl) }),
	}
}

// roleListDoc is the JSON of role list.
type roleListDoc struct{ Roles []roleDoc }

func (cl *client) roles(ctx context.Context) ([]types.Role, error) {
	return all(ctx, iam.NewListRolesPaginator(cl.iam, &iam.ListRolesInput{}),
		func(o *iam.ListRolesOutput) []types.Role { return o.Roles })
}

func (c *cli) roleList(ctx context.Context, cl *client) error {
	roles, err := cl.roles(ctx)
	if err != nil {
		return err
	}
	list := roleListDoc{Roles: []roleDoc{}}
	t := term.NewTable("ROLE", "CREATED", "SESSIONS", "ARN", "DESCRIPTION")
	for _, r := range roles {
		doc, err := newRoleDoc(r)
		if err != nil {
			return err
		}
		list.Roles = append(list.Roles, doc)
		t.Row(doc.RoleName, when(doc.CreateDate), (time.Duration(doc.MaxSessionDuration) * time.Second).String(), doc.ARN, doc.Description)
	}
	return c.show(list, t)
}

func newRoleShow(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "A role with its policies, boundary and trust policy",
		Example: "  keyctl role show deploy",
		Args:    cobra.ExactArgs(1),
		RunE:    c.connected(func(ctx context.Context, cl *client, args []string) error { return c.roleShow(ctx, cl, args[0]) }),
	}
}

// roleShowDoc is the JSON of role show.
type roleShowDoc struct {
	roleDoc
	AttachedPolicies []attachedDoc
	PolicyNames      []string
}

func (c *cli) roleShow(ctx context.Context, cl *client, name string) error {
	out, err := cl.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		return err
	}
	doc := roleShowDoc{}
	if doc.roleDoc, err = newRoleDoc(*out.Role); err != nil {
		return err
	}
	if doc.AttachedPolicies, doc.PolicyNames, err = cl.policies(ctx, holder{role: name}); err != nil {
		return err
	}
	t := doc.roleDoc.table()
	t.Row("last used", lastUsed(doc.LastUsedDate))
	policyRows(t, doc.AttachedPolicies, doc.PolicyNames)
	if err := c.show(doc, t); err != nil || c.format == outputJSON {
		return err
	}
	return c.showDocument("\ntrust policy:\n", doc.AssumeRolePolicyDocument)
}
