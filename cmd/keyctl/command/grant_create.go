package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

type grantCreateOptions struct {
	grantee, retiring, name string
	operations              []types.GrantOperation
	equals, subset          pairs
}

func newGrantCreate(c *cli) *cobra.Command {
	o := &grantCreateOptions{}
	cmd := c.onKey(&cobra.Command{
		Use:   "create KEY --grantee WHO --operations OPERATION,...",
		Short: "Let somebody do some things with a key",
		Long: `Let somebody do some things with a key, from now on.

With --name, the same command given twice makes one grant. The token that is
printed is no secret; keyd does not need it, since grants take effect at once.`,
		Example: `  keyctl grant create alias/app --grantee role/worker --operations Encrypt,Decrypt
  keyctl grant create alias/app --grantee user/bob --operations Decrypt --context-subset tenant=7 --retiring user/bob`,
		Args: cobra.ExactArgs(1),
	}, func(ctx context.Context, cl *client, arn string, _ []string) error {
		return c.grantCreate(ctx, cl, arn, *o)
	})
	f := cmd.Flags()
	f.StringVar(&o.grantee, "grantee", "", "`WHO` may use the key")
	choicesFlag(cmd, &o.operations, "operations", "the `OPERATIONS` granted, separated by commas", types.GrantOperation("").Values())
	f.StringVar(&o.retiring, "retiring", "", "`WHO` may retire the grant")
	f.StringVar(&o.name, "name", "", "`NAME` that makes a repetition of this command harmless")
	f.Var(&o.equals, "context-equals", "`NAME=VALUE` that the encryption context must consist of; repeat for more")
	f.Var(&o.subset, "context-subset", "`NAME=VALUE` that the encryption context must hold; repeat for more")
	must(cmd.MarkFlagRequired("grantee"))
	must(cmd.MarkFlagRequired("operations"))
	return cmd
}

// grantCreateDoc is the JSON of grant create.
type grantCreateDoc struct {
	KeyID      string `json:"KeyId"`
	GrantID    string `json:"GrantId"`
	GrantToken string
}

func (c *cli) grantCreate(ctx context.Context, cl *client, arn string, o grantCreateOptions) error {
	grantee, err := cl.optionalPrincipal(ctx, o.grantee, "--grantee")
	if err != nil {
		return err
	}
	retiring, err := cl.optionalPrincipal(ctx, o.retiring, "--retiring")
	if err != nil {
		return err
	}
	in := &kms.CreateGrantInput{
		KeyId: &arn, GranteePrincipal: grantee, RetiringPrincipal: retiring, Operations: o.operations, Name: optional(o.name),
	}
	if o.equals != nil || o.subset != nil {
		in.Constraints = &types.GrantConstraints{EncryptionContextEquals: o.equals, EncryptionContextSubset: o.subset}
	}
	out, err := cl.kms.CreateGrant(ctx, in)
	if err != nil {
		return err
	}
	doc := grantCreateDoc{arn, aws.ToString(out.GrantId), aws.ToString(out.GrantToken)}
	return c.done(doc, "%s: %s may %s now. To end it: keyctl grant revoke %s %s",
		arn, aws.ToString(grantee), join(o.operations, " "), arn, doc.GrantID)
}
