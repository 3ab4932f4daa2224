package command

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/policy"
)

type policyCreateOptions struct {
	name, file, path, description string
	tags                          pairs
}

func newPolicyCreate(c *cli) *cobra.Command {
	o := &policyCreateOptions{}
	cmd := &cobra.Command{
		Use:     "create NAME [FILE]",
		Short:   "Make a managed policy, from FILE or standard input",
		Example: "  keyctl policy create use-app-key policy.json\n  keyctl policy attach use-app-key --group apps",
		Args:    cobra.RangeArgs(1, 2),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.name, o.file = args[0], first(args[1:])
			return c.policyCreate(ctx, *o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.path, "path", "", "`PATH` before the name in the ARN, such as /eng/")
	f.StringVar(&o.description, "description", "", "what it allows, in words; cannot be changed later")
	f.Var(&o.tags, "tag", "a tag; may be repeated")
	return cmd
}

func (c *cli) policyCreate(ctx context.Context, o policyCreateOptions) error {
	cl, text, err := c.connectWith(ctx, o.file, policy.Identity)
	if err != nil {
		return err
	}
	out, err := cl.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{
		PolicyName: &o.name, PolicyDocument: &text, Path: optional(o.path), Description: optional(o.description), Tags: iamTags(o.tags),
	})
	if err != nil {
		return err
	}
	doc := newManagedDoc(*out.Policy)
	return c.show(doc, doc.table())
}

type policyUpdateOptions struct {
	name, file string
	prune      bool
}

func newPolicyUpdate(c *cli) *cobra.Command {
	o := &policyUpdateOptions{}
	cmd := &cobra.Command{
		Use:   "update POLICY [FILE]",
		Short: "Give a managed policy a new version, in force at once",
		Long: `Give a managed policy a new version, from FILE or standard input. It is the
default version and in force when the command returns, for everybody who has
the policy. Up to five versions are kept to go back to.`,
		Example: "  keyctl policy show use-app-key --document > p.json\n  keyctl policy update use-app-key p.json --prune",
		Args:    cobra.RangeArgs(1, 2),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.name, o.file = args[0], first(args[1:])
			return c.policyUpdate(ctx, *o)
		}),
	}
	cmd.Flags().BoolVar(&o.prune, "prune", false, "delete the oldest version if there are five")
	return cmd
}

// maxVersions is how many versions IAM keeps of one policy.
const maxVersions = 5

// policyVersionDoc is the JSON of one version of a policy.
type policyVersionDoc struct {
	PolicyARN        string `json:"PolicyArn"`
	VersionID        string `json:"VersionId"`
	IsDefaultVersion bool
}

func (c *cli) policyUpdate(ctx context.Context, o policyUpdateOptions) error {
	cl, text, err := c.connectWith(ctx, o.file, policy.Identity)
	if err != nil {
		return err
	}
	arn, err := cl.policyARN(ctx, o.name)
	if err != nil {
		return err
	}
	if o.prune {
		if err := cl.pruneVersions(ctx, arn); err != nil {
			return err
		}
	}
	out, err := cl.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: &text, SetAsDefault: true})
	if _, full := errors.AsType[*types.LimitExceededException](err); full {
		f := explain(err)
		return &failure{err: f.err, hint: "delete the oldest version at the same time: --prune", exit: f.exit}
	}
	if err != nil {
		return err
	}
	v := aws.ToString(out.PolicyVersion.VersionId)
	return c.done(policyVersionDoc{arn, v, true}, "%s: %s is in force now", arn, v)
}

// pruneVersions makes room for one version.
func (cl *client) pruneVersions(ctx context.Context, arn string) error {
	versions, err := cl.versions(ctx, arn)
	if err != nil || len(versions) < maxVersions {
		return err
	}
	oldest := types.PolicyVersion{}
	for _, v := range versions {
		if !v.IsDefaultVersion && (oldest.CreateDate == nil || aws.ToTime(v.CreateDate).Before(*oldest.CreateDate)) {
			oldest = v
		}
	}
	_, err = cl.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: oldest.VersionId})
	return err
}
