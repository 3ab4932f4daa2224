package command

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/spf13/cobra"
)

type keyCreateOptions struct {
	description string
	alias       string
	policy      string
}

func newKeyCreate(c *cli) *cobra.Command {
	o := &keyCreateOptions{}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a symmetric key in the token",
		Example: `  keyctl key create --alias app --description "customer records"
  keyctl key create --policy policy.json -o json`,
		Args: cobra.NoArgs,
		RunE: c.run(func(ctx context.Context, _ []string) error { return c.keyCreate(ctx, *o) }),
	}
	f := cmd.Flags()
	f.StringVar(&o.description, "description", "", "what the key is for; not secret")
	f.StringVar(&o.alias, "alias", "", "`NAME` for the key, with or without alias/ before it")
	f.StringVar(&o.policy, "policy", "", "`FILE` with the key policy (default: keyd's, which gives it to the account); - is standard input")
	return cmd
}

func (c *cli) keyCreate(ctx context.Context, o keyCreateOptions) error {
	in := &kms.CreateKeyInput{Description: &o.description}
	if o.policy != "" {
		policy, err := c.readPolicy(o.policy)
		if err != nil {
			return err
		}
		in.Policy = &policy
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	if o.alias == "" {
		out, err := cl.kms.CreateKey(ctx, in)
		if err != nil {
			return err
		}
		return c.showKey(newKeyDoc(out.KeyMetadata, nil))
	}
	return c.keyCreateNamed(ctx, cl, in, aliasName(o.alias))
}

// keyCreateNamed makes a key and its alias, which are two operations: it looks
// first whether the name is free, so that no nameless key is left behind.
func (c *cli) keyCreateNamed(ctx context.Context, cl *client, in *kms.CreateKeyInput, alias string) error {
	_, err := cl.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &alias})
	if err == nil {
		return failf(exitState, `choose another, or point it elsewhere: keyctl alias update`, "%s: the name is taken; no key was made", alias)
	}
	if !notFound(err) && !denied(err) {
		return err
	}
	out, err := cl.kms.CreateKey(ctx, in)
	if err != nil {
		return err
	}
	arn := aws.ToString(out.KeyMetadata.Arn)
	if _, err := cl.kms.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &arn}); err != nil {
		f := explain(err)
		return &failure{err: errors.New("key " + arn + " was made, but not its alias: " + f.Error()),
			hint: "give it another name: keyctl alias create NAME " + arn, exit: f.exit}
	}
	return c.showKey(newKeyDoc(out.KeyMetadata, []string{alias}))
}

func (c *cli) showKey(k keyDoc) error { return c.show(k, k.table()) }
