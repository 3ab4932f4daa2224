package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

type reencryptOptions struct {
	key, sourceKey string
	context        pairs
	newContext     pairs
	dropContext    bool
	input          input
	inFormat       inFormat
	sink           sink

	algorithm, sourceAlgorithm types.EncryptionAlgorithmSpec
}

func newReencrypt(c *cli) *cobra.Command {
	o := &reencryptOptions{sink: sink{
		base64Help: "write the ciphertext as base64 (the default)",
		rawHelp:    "write the ciphertext as it is",
	}}
	cmd := &cobra.Command{
		Use:   "reencrypt --key KEY [FILE]",
		Short: "Move a ciphertext to another key; the plaintext stays in keyd",
		Long: `Decrypt a ciphertext and encrypt it again with --key, inside keyd: the plaintext
does not leave it.

The new ciphertext has the same encryption context, unless --new-context gives
another or --drop-context none.

` + inFormatHelp,
		Example: `  keyctl reencrypt --key alias/app-2026 --context tenant=7 --out secret.enc secret.enc`,
		Args:    cobra.MaximumNArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.input.args = args
			return c.reencrypt(ctx, *o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "the `KEY` of the new ciphertext")
	f.StringVar(&o.sourceKey, "source-key", "", "the `KEY` that must have made the old ciphertext (default: any)")
	f.Var(&o.context, "context", "`NAME=VALUE` of the old ciphertext's encryption context; repeat for more")
	f.Var(&o.newContext, "new-context", "`NAME=VALUE` of the new ciphertext's encryption context (default: the same)")
	f.BoolVar(&o.dropContext, "drop-context", false, "give the new ciphertext no encryption context")
	choiceFlag(cmd, &o.algorithm, "algorithm", encryptionHelp, types.EncryptionAlgorithmSpec("").Values())
	choiceFlag(cmd, &o.sourceAlgorithm, "source-algorithm", "encryption `ALGORITHM` of the old ciphertext, for an RSA key; it needs --source-key too", types.EncryptionAlgorithmSpec("").Values())
	f.Var(&o.inFormat, "in-format", "`FORMAT` of the old ciphertext: auto, base64 or raw")
	o.input.flags(f)
	o.sink.flags(cmd)
	cmd.MarkFlagsMutuallyExclusive("new-context", "drop-context")
	c.keyFlag(cmd, "key")
	c.keyFlag(cmd, "source-key")
	must(cmd.MarkFlagRequired("key"))
	return cmd
}

func (c *cli) reencrypt(ctx context.Context, o reencryptOptions) error {
	blob, err := c.readCiphertext(o.input, o.inFormat)
	if err != nil {
		return err
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	in := &kms.ReEncryptInput{
		CiphertextBlob: blob, SourceEncryptionContext: o.context,
		DestinationKeyId: &o.key, DestinationEncryptionContext: o.destination(),
		SourceKeyId: optional(o.sourceKey), SourceEncryptionAlgorithm: o.sourceAlgorithm, DestinationEncryptionAlgorithm: o.algorithm,
	}
	out, err := cl.kms.ReEncrypt(ctx, in)
	if err != nil {
		return err
	}
	return c.putCiphertext(o.sink, out.CiphertextBlob, cipherDoc{
		SourceKeyID: aws.ToString(out.SourceKeyId), KeyID: aws.ToString(out.KeyId),
		Algorithm: string(out.DestinationEncryptionAlgorithm),
	})
}

// destination is the encryption context of the new ciphertext.
func (o reencryptOptions) destination() pairs {
	switch {
	case o.dropContext:
		return nil
	case o.newContext != nil:
		return o.newContext
	}
	return o.context
}
