package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/spf13/cobra"
)

type policyShowOptions struct {
	name, version string
	documentOnly  bool
	holder        holder
}

func newPolicyShow(c *cli) *cobra.Command {
	o := &policyShowOptions{}
	cmd := &cobra.Command{
		Use:   "show POLICY",
		Short: "A managed policy, or an inline one, with its document",
		Example: `  keyctl policy show ReadOnlyAccess
  keyctl policy show use-app-key --version v2 --document > p.json
  keyctl policy show own-keys --user alice          # an inline policy`,
		Args: cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			o.name = args[0]
			if o.holder.given() {
				return c.inlineShow(ctx, cl, *o)
			}
			return c.policyShow(ctx, cl, *o)
		}),
	}
	cmd.Flags().StringVar(&o.version, "version", "", "this `VERSION`, such as v2 (default: the one in force)")
	cmd.Flags().BoolVar(&o.documentOnly, "document", false, "only the document, ready to edit")
	o.holder.optionalFlags(cmd)
	for _, kind := range []string{"user", "group", "role"} {
		cmd.MarkFlagsMutuallyExclusive("version", kind)
	}
	return cmd
}

// policyShowDoc is the JSON of policy show.
type policyShowDoc struct {
	managedDoc
	VersionID      string `json:"VersionId"`
	PolicyDocument string
}

func (c *cli) policyShow(ctx context.Context, cl *client, o policyShowOptions) error {
	arn, err := cl.policyARN(ctx, o.name)
	if err != nil {
		return err
	}
	out, err := cl.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	if err != nil {
		return err
	}
	doc := policyShowDoc{managedDoc: newManagedDoc(*out.Policy), VersionID: o.version}
	if o.version == "" {
		doc.VersionID = doc.DefaultVersionID
	}
	if doc.PolicyDocument, err = cl.versionText(ctx, arn, doc.VersionID); err != nil {
		return err
	}
	if c.format == outputJSON {
		return c.json(doc)
	}
	title := ""
	if !o.documentOnly {
		if err := c.show(doc, doc.managedDoc.table()); err != nil {
			return err
		}
		title = "\ndocument of " + doc.VersionID + ":\n"
	}
	return c.showDocument(title, doc.PolicyDocument)
}

// versionText returns the document of one version.
func (cl *client) versionText(ctx context.Context, arn, version string) (string, error) {
	out, err := cl.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: aws.String(version)})
	if err != nil {
		return "", err
	}
	return document(out.PolicyVersion.Document)
}

// inlineDoc is the JSON of an inline policy.
type inlineDoc struct {
	holderDoc
	PolicyDocument string
}

func (c *cli) inlineShow(ctx context.Context, cl *client, o policyShowOptions) error {
	text, err := cl.inlineText(ctx, o.holder, o.name)
	if err != nil {
		return err
	}
	if c.format == outputJSON {
		doc := inlineDoc{o.holder.doc(), text}
		doc.PolicyName = o.name
		return c.json(doc)
	}
	return c.showDocument("", text)
}
