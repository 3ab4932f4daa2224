package command

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

type keyImportOptions struct {
	key, file   string
	validTo     moment
	expire      span
	fresh       bool
	material    string
	description string
	wrapping    types.WrappingKeySpec
	delete      bool
	confirmation
}

func newKeyImport(c *cli) *cobra.Command {
	o := &keyImportOptions{wrapping: types.WrappingKeySpecRsa4096}
	cmd := &cobra.Command{
		Use:   "import KEY [FILE]",
		Short: "Give a key material of your own",
		Long: `Give a key that was made with --origin EXTERNAL its material, from FILE or
standard input. It travels encrypted for the token: this program asks for a
wrapping key, wraps and sends.

A symmetric or HMAC key takes a secret of its size: as it is, base64 or
hexadecimal. An RSA or elliptic curve key takes a private key: PEM or DER. Keep
the file safe or destroy it: whoever has it has the key.

With --delete the key loses its material, at once; the same material can be
imported again.`,
		Example: `  openssl rand 32 > material && keyctl key import alias/mine material --expire 30d
  keyctl key import alias/release private.pem
  keyctl key import alias/mine --delete`,
		Args: cobra.RangeArgs(1, 2),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.key, o.file = args[0], first(args[1:])
			if o.delete {
				return c.keyImportDelete(ctx, *o)
			}
			return c.keyImport(ctx, *o)
		}),
	}
	f := cmd.Flags()
	f.Var(&o.validTo, "valid-to", "`TIME` at which keyd forgets the material, 365 days ahead at most (default: never)")
	f.Var(&o.expire, "expire", "the same, counted from now: `TIME` such as 30d or 12h")
	f.BoolVar(&o.fresh, "new", false, "it is new material for a key that has some: to rotate to it, keyctl rotate now")
	f.StringVar(&o.material, "material", "", "`ID` of the key material meant, of those that a symmetric key has")
	f.StringVar(&o.description, "description", "", "what the material is, for a symmetric key; not secret")
	choiceFlag(cmd, &o.wrapping, "wrapping-key", "`SPEC` of the key that protects it on its way", []types.WrappingKeySpec{
		types.WrappingKeySpecRsa2048, types.WrappingKeySpecRsa3072, types.WrappingKeySpecRsa4096})
	f.BoolVar(&o.delete, "delete", false, "take the key's material away")
	o.confirmation.flag(cmd)
	cmd.MarkFlagsMutuallyExclusive("valid-to", "expire")
	cmd.MarkFlagsMutuallyExclusive("new", "material")
	for _, flag := range []string{"valid-to", "expire", "new", "description"} {
		cmd.MarkFlagsMutuallyExclusive("delete", flag)
	}
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

// importDoc is the JSON of key import.
type importDoc struct {
	KeyID           string                    `json:"KeyId"`
	KeyMaterialID   string                    `json:"KeyMaterialId,omitempty"`
	ExpirationModel types.ExpirationModelType `json:",omitempty"`
	ValidTo         *time.Time                `json:",omitempty"`
}

func (c *cli) keyImport(ctx context.Context, o keyImportOptions) error {
	text, err := c.readKeyFile(o.file, "material")
	if err != nil {
		return err
	}
	defer clear(text)
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	described, err := cl.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &o.key})
	if err != nil {
		return err
	}
	m := described.KeyMetadata
	if m.Origin != types.OriginTypeExternal {
		return failf(exitState, "make one for it: keyctl key create --origin EXTERNAL",
			"%s: its material is made by the token, its origin is %s", aws.ToString(m.Arn), m.Origin)
	}
	material, err := parseMaterial(text, m.KeySpec)
	if err != nil {
		return err
	}
	defer clear(material)
	in := o.request(time.Now())
	in.KeyId = m.Arn
	if err := cl.wrapFor(ctx, in, material, m.KeySpec, o.wrapping); err != nil {
		return err
	}
	out, err := cl.kms.ImportKeyMaterial(ctx, in)
	if err != nil {
		return err
	}
	doc := importDoc{KeyID: aws.ToString(m.Arn), KeyMaterialID: aws.ToString(out.KeyMaterialId), ExpirationModel: in.ExpirationModel, ValidTo: in.ValidTo}
	until := "until it is deleted"
	if in.ValidTo != nil {
		until = "until " + when(*in.ValidTo)
	}
	return c.done(doc, "%s: has its material now, %s", doc.KeyID, until)
}

// request is the call as far as the options say it.
func (o keyImportOptions) request(now time.Time) *kms.ImportKeyMaterialInput {
	in := &kms.ImportKeyMaterialInput{
		ExpirationModel:        types.ExpirationModelTypeKeyMaterialDoesNotExpire,
		KeyMaterialDescription: optional(o.description), KeyMaterialId: optional(o.material),
	}
	if o.fresh {
		in.ImportType = types.ImportTypeNewKeyMaterial
	}
	end := time.Time(o.validTo)
	if o.expire > 0 {
		end = now.Add(time.Duration(o.expire))
	}
	if !end.IsZero() {
		// To the second: it is how KMS keeps it.
		end = end.UTC().Truncate(time.Second)
		in.ExpirationModel, in.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, &end
	}
	return in
}

// wrapFor asks for a wrapping key and puts the material, encrypted, into the
// call. Secrets fit into one RSA block; private keys take an AES key on the way.
func (cl *client) wrapFor(ctx context.Context, in *kms.ImportKeyMaterialInput, material []byte, spec types.KeySpec, size types.WrappingKeySpec) error {
	algorithm, seal := types.AlgorithmSpecRsaAesKeyWrapSha256, sealRSAAES
	if _, secret := secretSizes[spec]; secret {
		algorithm, seal = types.AlgorithmSpecRsaesOaepSha256, sealOAEP
	}
	params, err := cl.kms.GetParametersForImport(ctx, &kms.GetParametersForImportInput{
		KeyId: in.KeyId, WrappingAlgorithm: algorithm, WrappingKeySpec: size,
	})
	if err != nil {
		return err
	}
	to, err := wrappingKey(params.PublicKey)
	if err != nil {
		return failf(exitUnavailable, stranger.hint, "the answer: %w", err)
	}
	in.ImportToken = params.ImportToken
	in.EncryptedKeyMaterial, err = seal(to, material)
	return err
}

// keyImportDelete takes a key's material away.
func (c *cli) keyImportDelete(ctx context.Context, o keyImportOptions) error {
	if o.file != "" {
		return usagef("see keyctl key import --help", "--delete takes no FILE")
	}
	if err := o.possible(c, "key "+o.key, "deletion of its material"); err != nil {
		return err
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	arn, err := c.confirmKey(ctx, cl, o.key, o.confirmation,
		"This takes a key's material. What it encrypted can then be read again only if the same material is imported again.")
	if err != nil {
		return err
	}
	out, err := cl.kms.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &arn, KeyMaterialId: optional(o.material)})
	if err != nil {
		return err
	}
	return c.done(importDoc{KeyID: arn, KeyMaterialID: aws.ToString(out.KeyMaterialId)},
		"%s: its material is gone. To give it back: keyctl key import %s FILE", arn, o.key)
}
