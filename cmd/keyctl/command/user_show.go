package command

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

func newUserShow(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "A user with groups, policies, access keys and boundary",
		Example: "  keyctl user show alice",
		Args:    cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			return c.userShow(ctx, cl, args[0])
		}),
	}
}

// userShowDoc is the JSON of user show.
type userShowDoc struct {
	userDoc
	Groups           []string
	AttachedPolicies []attachedDoc
	PolicyNames      []string
	AccessKeys       []accessKeyDoc
}

func (c *cli) userShow(ctx context.Context, cl *client, name string) error {
	out, err := cl.iam.GetUser(ctx, &iam.GetUserInput{UserName: &name})
	if err != nil {
		return err
	}
	doc := userShowDoc{userDoc: newUserDoc(*out.User)}
	if doc.Groups, err = cl.groupsOf(ctx, name); err != nil {
		return err
	}
	if doc.AttachedPolicies, doc.PolicyNames, err = cl.policies(ctx, holder{user: name}); err != nil {
		return err
	}
	if doc.AccessKeys, err = cl.accessKeys(ctx, name); err != nil {
		return err
	}
	t := doc.userDoc.table()
	t.Row("groups", orDash(strings.Join(doc.Groups, " ")))
	policyRows(t, doc.AttachedPolicies, doc.PolicyNames)
	for _, k := range doc.AccessKeys {
		t.Row("access key", k.AccessKeyID+"  "+string(k.Status)+", last used "+lastUsed(k.LastUsedDate))
	}
	return c.show(doc, t)
}

// policyRows shows what a holder has.
func policyRows(t *term.Table, attached []attachedDoc, inline []string) {
	for _, p := range attached {
		t.Row("attached", p.PolicyARN)
	}
	if len(attached) == 0 {
		t.Row("attached", "-")
	}
	t.Row("inline", orDash(strings.Join(inline, " ")))
}

// groupsOf returns the names of a user's groups.
func (cl *client) groupsOf(ctx context.Context, user string) ([]string, error) {
	return all(ctx, iam.NewListGroupsForUserPaginator(cl.iam, &iam.ListGroupsForUserInput{UserName: &user}),
		func(o *iam.ListGroupsForUserOutput) []string { return groupNames(o.Groups) })
}

func groupNames(groups []types.Group) []string {
	var names []string
	for _, g := range groups {
		names = append(names, aws.ToString(g.GroupName))
	}
	return names
}
