package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/spf13/cobra"
)

type replicateOptions struct {
	key, region, policy, description string
	bypass                           bool
	tags                             pairs
}

func newReplicate(c *cli) *cobra.Command {
	o := &replicateOptions{}
	cmd := &cobra.Command{
		Use:   "replicate KEY --to REGION",
		Short: "Make a key of the same material in another region",
		Long: `Make a key of the same id and material in another region: what one encrypts, the
other decrypts. KEY is a primary, made with key create --multi-region. Policy,
aliases, tags and state are each region's own.`,
		Example: "  keyctl key create --multi-region --alias shared\n  keyctl replicate alias/shared --to us-1",
		Args:    cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.key = args[0]
			return c.replicate(ctx, *o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.region, "to", "", "the `REGION` of the new key")
	f.StringVar(&o.description, "description", "", "what the new key is for; not secret")
	f.StringVar(&o.policy, "policy", "", "`FILE` with the new key's policy (default: keyd's, which gives it to the account); - is standard input")
	f.BoolVar(&o.bypass, "bypass-lockout-check", false, "accept a policy after which you could not change it any more")
	f.Var(&o.tags, "tag", "a tag of the new key; may be repeated")
	must(cmd.MarkFlagRequired("to"))
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

func (c *cli) replicate(ctx context.Context, o replicateOptions) error {
	in := &kms.ReplicateKeyInput{
		ReplicaRegion: &o.region, Description: optional(o.description), Tags: kmsTags(o.tags), BypassPolicyLockoutSafetyCheck: o.bypass,
	}
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
	arn, err := cl.resolve(ctx, o.key)
	if err != nil {
		return err
	}
	in.KeyId = &arn
	out, err := cl.kms.ReplicateKey(ctx, in)
	if err != nil {
		return err
	}
	return c.showKey(newKeyDoc(out.ReplicaKeyMetadata, nil))
}

func newKeyPrimary(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "primary KEY REGION",
		Short: "Make a replica the primary of its keys",
		Long: `Make the replica in REGION the primary of keys that share their material; KEY is
the present primary, which becomes a replica. Only the primary is replicated and
rotated.`,
		Example: "  keyctl key primary alias/shared us-1",
		Args:    cobra.ExactArgs(2),
		RunE: c.run(func(ctx context.Context, args []string) error {
			return c.change(ctx, args[0], func(cl *client, arn *string) error {
				_, err := cl.kms.UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: arn, PrimaryRegion: &args[1]})
				return err
			}, "the primary is in "+args[1]+" now")
		}),
	}
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}
