package command

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

type keyCreateOptions struct {
	description string
	alias       string
	policy      string
	bypass      bool
	spec        types.KeySpec
	usage       types.KeyUsageType
	origin      types.OriginType
	store       string
	multiRegion bool
	tags        pairs
}

func newKeyCreate(c *cli) *cobra.Command {
	o := &keyCreateOptions{}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a key in the token",
		Long: `Make a key in the token: a symmetric one for encryption, or what --spec and
--usage say. Where a spec has one use only, --usage may be left out.

With --origin EXTERNAL the key waits for material of your own: see keyctl key
import. With --store it lives in the token of a custom key store, and with
--multi-region it can be replicated to other regions: see keyctl replicate.`,
		Example: `  keyctl key create --alias app --description "customer records"
  keyctl key create --alias release --spec ECC_NIST_P256 --usage SIGN_VERIFY
  keyctl key create --alias tokens --spec HMAC_256
  keyctl key create --policy policy.json --tag team=payments -o json`,
		Args: cobra.NoArgs,
		RunE: c.run(func(ctx context.Context, _ []string) error { return c.keyCreate(ctx, *o) }),
	}
	f := cmd.Flags()
	f.StringVar(&o.description, "description", "", "what the key is for; not secret")
	f.StringVar(&o.alias, "alias", "", "`NAME` for the key, with or without alias/ before it")
	f.StringVar(&o.policy, "policy", "", "`FILE` with the key policy (default: keyd's, which gives it to the account); - is standard input")
	f.BoolVar(&o.bypass, "bypass-lockout-check", false, "accept a policy after which you could not change it any more")
	choiceFlag(cmd, &o.spec, "spec", "`SPEC` of the key, such as RSA_3072 or ECC_NIST_P256 (default SYMMETRIC_DEFAULT)", types.KeySpec("").Values())
	choiceFlag(cmd, &o.usage, "usage", "what it is for: `USAGE`, such as SIGN_VERIFY", types.KeyUsageType("").Values())
	choiceFlag(cmd, &o.origin, "origin", "`ORIGIN` of its material: AWS_KMS (the default), EXTERNAL or AWS_CLOUDHSM", origins)
	f.StringVar(&o.store, "store", "", "custom key `STORE` to make it in, by name or id; its origin is AWS_CLOUDHSM then")
	f.BoolVar(&o.multiRegion, "multi-region", false, "make the primary of keys in several regions that share their material")
	f.Var(&o.tags, "tag", "a tag; may be repeated")
	return cmd
}

// origins are those that keyd has: it is no proxy for external key stores.
var origins = []types.OriginType{types.OriginTypeAwsKms, types.OriginTypeExternal, types.OriginTypeAwsCloudhsm}

// usages returns what keys of a spec may be for. The first is the default, if
// there is no other.
func usages(spec types.KeySpec) []types.KeyUsageType {
	family, _, _ := strings.Cut(string(spec), "_")
	switch {
	case spec == "" || spec == types.KeySpecSymmetricDefault:
		return []types.KeyUsageType{types.KeyUsageTypeEncryptDecrypt}
	case family == "HMAC":
		return []types.KeyUsageType{types.KeyUsageTypeGenerateVerifyMac}
	case family == "RSA":
		return []types.KeyUsageType{types.KeyUsageTypeSignVerify, types.KeyUsageTypeEncryptDecrypt}
	case spec == types.KeySpecSm2:
		return []types.KeyUsageType{types.KeyUsageTypeSignVerify, types.KeyUsageTypeEncryptDecrypt, types.KeyUsageTypeKeyAgreement}
	case strings.HasPrefix(string(spec), "ECC_NIST_P"):
		return []types.KeyUsageType{types.KeyUsageTypeSignVerify, types.KeyUsageTypeKeyAgreement}
	case strings.HasPrefix(string(spec), "ML_KEM"):
		return []types.KeyUsageType{types.KeyUsageTypeEncapsulateDecapsulate}
	}
	return []types.KeyUsageType{types.KeyUsageTypeSignVerify}
}

// keyUsage is what the key is for: KMS wants to be told, even where only one
// answer is possible.
func (o keyCreateOptions) keyUsage() (types.KeyUsageType, error) {
	if o.usage != "" {
		return o.usage, nil
	}
	possible := usages(o.spec)
	if len(possible) > 1 {
		return "", usagef("add --usage "+join(possible, " or --usage "), "--spec %s: such a key has more than one use", o.spec)
	}
	return possible[0], nil
}

func (c *cli) keyCreate(ctx context.Context, o keyCreateOptions) error {
	use, err := o.keyUsage()
	if err != nil {
		return err
	}
	in := &kms.CreateKeyInput{
		Description: &o.description, KeySpec: o.spec, KeyUsage: use, Origin: o.origin, Tags: kmsTags(o.tags),
		BypassPolicyLockoutSafetyCheck: o.bypass,
	}
	if o.multiRegion {
		in.MultiRegion = &o.multiRegion
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
	if o.store != "" {
		store, err := cl.store(ctx, o.store)
		if err != nil {
			return err
		}
		in.CustomKeyStoreId, in.Origin = store.CustomKeyStoreId, cmp.Or(o.origin, types.OriginTypeAwsCloudhsm)
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
