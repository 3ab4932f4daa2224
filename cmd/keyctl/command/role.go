package command

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
	"github.com/keyd-hsm/keyd/policy"
)

func newRole(c *cli) *cobra.Command {
	return parent("role", "Make roles, which others assume for a time",
		newRoleCreate(c), newRoleList(c), newRoleShow(c), newRoleDelete(c), newRoleTrust(c))
}

// roleDoc is the JSON of a role, as IAM answers it; the trust policy is in clear.
type roleDoc struct {
	RoleName                 string
	RoleID                   string `json:"RoleId"`
	ARN                      string `json:"Arn"`
	Path                     string
	Description              string
	CreateDate               time.Time
	MaxSessionDuration       int32
	Boundary                 string `json:"PermissionsBoundaryArn,omitempty"`
	AssumeRolePolicyDocument string
	Tags                     []tagDoc   `json:",omitempty"`
	LastUsedDate             *time.Time `json:",omitempty"`
}

func newRoleDoc(r types.Role) (roleDoc, error) {
	trust, err := document(r.AssumeRolePolicyDocument)
	doc := roleDoc{
		RoleName: aws.ToString(r.RoleName), RoleID: aws.ToString(r.RoleId), ARN: aws.ToString(r.Arn), Path: aws.ToString(r.Path),
		Description: aws.ToString(r.Description), CreateDate: aws.ToTime(r.CreateDate).UTC(),
		MaxSessionDuration: aws.ToInt32(r.MaxSessionDuration), Boundary: boundaryOf(r.PermissionsBoundary), AssumeRolePolicyDocument: trust,
	}
	if len(r.Tags) > 0 {
		doc.Tags = tagDocs(r.Tags)
	}
	if r.RoleLastUsed != nil {
		doc.LastUsedDate = r.RoleLastUsed.LastUsedDate
	}
	return doc, err
}

func (r roleDoc) table() *term.Table {
	t := term.NewTable()
	t.Row("role", r.RoleName)
	t.Row("arn", r.ARN)
	t.Row("role id", r.RoleID)
	t.Row("description", orDash(r.Description))
	t.Row("created", when(r.CreateDate))
	t.Row("session limit", (time.Duration(r.MaxSessionDuration) * time.Second).String())
	t.Row("tags", tagText(r.Tags))
	t.Row("boundary", orDash(r.Boundary))
	return t
}

type roleCreateOptions struct {
	name, trust, path, description, boundary string
	limit                                    time.Duration
	tags                                     pairs
}

func newRoleCreate(c *cli) *cobra.Command {
	o := &roleCreateOptions{}
	cmd := &cobra.Command{
		Use:     "create NAME --trust FILE",
		Short:   "Make a role; the trust policy says who may assume it",
		Example: "  keyctl role create deploy --trust trust.json --max-session 4h",
		Args:    cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.name = args[0]
			return c.roleCreate(ctx, *o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.trust, "trust", "", "`FILE` with the trust policy; - is standard input")
	f.StringVar(&o.path, "path", "", "`PATH` before the name in the ARN, such as /eng/")
	f.StringVar(&o.description, "description", "", "what the role is for")
	f.StringVar(&o.boundary, "boundary", "", "`POLICY` that bounds what the role can ever be allowed")
	f.DurationVar(&o.limit, "max-session", 0, "how long its sessions may last, 1h to 12h (default 1h)")
	f.Var(&o.tags, "tag", "a tag; may be repeated")
	must(cmd.MarkFlagRequired("trust"))
	return cmd
}

func (c *cli) roleCreate(ctx context.Context, o roleCreateOptions) error {
	trust, err := c.readDocument(o.trust, policy.Trust)
	if err != nil {
		return err
	}
	limit, err := durationSeconds("--max-session", o.limit)
	if err != nil {
		return err
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	boundary, err := cl.optionalPolicy(ctx, o.boundary)
	if err != nil {
		return err
	}
	out, err := cl.iam.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: &o.name, AssumeRolePolicyDocument: &trust, Path: optional(o.path), Description: optional(o.description),
		PermissionsBoundary: boundary, MaxSessionDuration: limit, Tags: iamTags(o.tags),
	})
	if err != nil {
		return err
	}
	doc, err := newRoleDoc(*out.Role)
	if err != nil {
		return err
	}
	return c.show(doc, doc.table())
}

// durationSeconds is a duration as AWS takes it; nil for zero, which is its default.
func durationSeconds(flag string, d time.Duration) (*int32, error) {
	if d == 0 {
		return nil, nil
	}
	if d < time.Second || d > 36*time.Hour || d%time.Second != 0 {
		return nil, usagef("for example 30m or 4h", "%s %s: must be whole seconds, 36 hours at most", flag, d)
	}
	return aws.Int32(int32(d / time.Second)), nil
}
