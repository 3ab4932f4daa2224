package command

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

type policyListOptions struct {
	scope    string
	attached bool
}

// policyScopes are the values of --scope as IAM writes them.
var policyScopes = map[string]types.PolicyScopeType{
	"all": types.PolicyScopeTypeAll, "local": types.PolicyScopeTypeLocal, "aws": types.PolicyScopeTypeAws,
}

func newPolicyList(c *cli) *cobra.Command {
	o := &policyListOptions{}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Every managed policy",
		Example: "  keyctl policy list\n  keyctl policy list --scope local --attached",
		Args:    cobra.NoArgs,
		RunE:    c.run(func(ctx context.Context, _ []string) error { return c.policyList(ctx, *o) }),
	}
	cmd.Flags().StringVar(&o.scope, "scope", "all", "all, local (of this account) or aws (that every account has)")
	cmd.Flags().BoolVar(&o.attached, "attached", false, "only those that somebody has")
	return cmd
}

// policyListDoc is the JSON of policy list.
type policyListDoc struct{ Policies []managedDoc }

func (c *cli) policyList(ctx context.Context, o policyListOptions) error {
	scope, ok := policyScopes[o.scope]
	if !ok {
		return usagef("", "--scope %s: must be all, local or aws", o.scope)
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	found, err := all(ctx, iam.NewListPoliciesPaginator(cl.iam, &iam.ListPoliciesInput{Scope: scope, OnlyAttached: o.attached}),
		func(o *iam.ListPoliciesOutput) []types.Policy { return o.Policies })
	if err != nil {
		return err
	}
	list := policyListDoc{Policies: []managedDoc{}}
	t := term.NewTable("POLICY", "VERSION", "ATTACHED", "UPDATED", "ARN")
	for _, p := range found {
		doc := newManagedDoc(p)
		list.Policies = append(list.Policies, doc)
		t.Row(doc.PolicyName, doc.DefaultVersionID, strconv.Itoa(int(doc.AttachmentCount)), when(doc.UpdateDate), doc.ARN)
	}
	return c.show(list, t)
}

func newPolicyVersions(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "versions POLICY",
		Short:   "The versions of a managed policy",
		Example: "  keyctl policy versions use-app-key",
		Args:    cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			return c.policyVersions(ctx, cl, args[0])
		}),
	}
}

func (cl *client) versions(ctx context.Context, arn string) ([]types.PolicyVersion, error) {
	return all(ctx, iam.NewListPolicyVersionsPaginator(cl.iam, &iam.ListPolicyVersionsInput{PolicyArn: &arn}),
		func(o *iam.ListPolicyVersionsOutput) []types.PolicyVersion { return o.Versions })
}

// versionListDoc is the JSON of policy versions.
type versionListDoc struct{ Versions []versionRow }

type versionRow struct {
	VersionID        string `json:"VersionId"`
	IsDefaultVersion bool
	CreateDate       time.Time
}

func (c *cli) policyVersions(ctx context.Context, cl *client, name string) error {
	arn, err := cl.policyARN(ctx, name)
	if err != nil {
		return err
	}
	versions, err := cl.versions(ctx, arn)
	if err != nil {
		return err
	}
	list := versionListDoc{Versions: []versionRow{}}
	t := term.NewTable("VERSION", "CREATED", "")
	for _, v := range versions {
		row := versionRow{aws.ToString(v.VersionId), v.IsDefaultVersion, aws.ToTime(v.CreateDate).UTC()}
		list.Versions = append(list.Versions, row)
		mark := ""
		if row.IsDefaultVersion {
			mark = "in force"
		}
		t.Row(row.VersionID, when(row.CreateDate), mark)
	}
	return c.show(list, t)
}
