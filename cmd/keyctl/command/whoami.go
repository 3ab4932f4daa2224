package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

func newWhoami(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "whoami",
		Short:   "Who keyd takes you for",
		Example: "  keyctl whoami\n  keyctl whoami --profile operator -o json",
		Args:    cobra.NoArgs,
		RunE:    c.run(func(ctx context.Context, _ []string) error { return c.whoami(ctx) }),
	}
}

// whoamiDoc is the JSON of whoami.
type whoamiDoc struct {
	UserID  string `json:"UserId"`
	Account string
	ARN     string `json:"Arn"`
}

func (c *cli) whoami(ctx context.Context) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := cl.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return err
	}
	doc := whoamiDoc{aws.ToString(out.UserId), aws.ToString(out.Account), aws.ToString(out.Arn)}
	t := term.NewTable()
	t.Row("arn", doc.ARN)
	t.Row("account", doc.Account)
	t.Row("user id", doc.UserID)
	return c.show(doc, t)
}
