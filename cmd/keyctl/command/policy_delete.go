package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/spf13/cobra"
)

func newPolicyDelete(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "delete POLICY",
		Short: "Remove a managed policy that nobody has, with all its versions",
		Example: `  keyctl policy detach use-app-key --group apps
  keyctl policy delete use-app-key`,
		Args: cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			return c.policyDelete(ctx, cl, args[0])
		}),
	}
}

func (c *cli) policyDelete(ctx context.Context, cl *client, name string) error {
	arn, err := cl.policyARN(ctx, name)
	if err != nil {
		return err
	}
	out, err := cl.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	if err != nil {
		return err
	}
	// Looked at first: the versions of a policy in use must not go.
	if n := aws.ToInt32(out.Policy.AttachmentCount) + aws.ToInt32(out.Policy.PermissionsBoundaryUsageCount); n > 0 {
		return failf(exitState, "detach it: keyctl policy detach "+arn+" --user|--group|--role NAME; \"keyctl user show\" says who has what",
			"%s: in use %d times; nothing was deleted", arn, n)
	}
	versions, err := cl.versions(ctx, arn)
	if err != nil {
		return err
	}
	for _, v := range versions {
		if v.IsDefaultVersion {
			continue
		}
		if _, err := cl.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: v.VersionId}); err != nil {
			return err
		}
	}
	if _, err := cl.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn}); err != nil {
		return err
	}
	return c.done(nameDoc{PolicyARN: arn}, "%s: deleted", arn)
}
