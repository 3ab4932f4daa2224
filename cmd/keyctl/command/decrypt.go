package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

type decryptOptions struct {
	key      string
	context  pairs
	input    input
	inFormat inFormat
	sink     sink

	algorithm types.EncryptionAlgorithmSpec
}

func newDecrypt(c *cli) *cobra.Command {
	o := &decryptOptions{sink: sink{
		base64Help: "write the plaintext as base64",
		rawHelp:    "write the plaintext as it is (the default)",
	}}
	cmd := &cobra.Command{
		Use:   "decrypt [FILE]",
		Short: "Decrypt what encrypt or datakey made",
		Long: `Decrypt a ciphertext, from FILE or standard input.

The ciphertext names its key, unless that is an RSA key. With --key it must be that one, which protects
against a ciphertext that somebody exchanged. The --context must be the one of
encryption, in any order.

` + inFormatHelp,
		Example: `  keyctl decrypt --context tenant=7 secret.enc
  keyctl decrypt --key alias/app --out db.pass db.pass.enc
  keyctl decrypt --key alias/rsa --algorithm RSAES_OAEP_SHA_256 secret.enc`,
		Args: cobra.MaximumNArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.input.args = args
			return c.decrypt(ctx, *o)
		}),
	}
	cmd.Flags().StringVar(&o.key, "key", "", "the `KEY` that must have made the ciphertext (default: any)")
	cmd.Flags().Var(&o.context, "context", "`NAME=VALUE` of the encryption context, as at encryption; repeat for more")
	choiceFlag(cmd, &o.algorithm, "algorithm", "encryption `ALGORITHM`, as at encryption, for an RSA key; it needs --key too", types.EncryptionAlgorithmSpec("").Values())
	cmd.Flags().Var(&o.inFormat, "in-format", "`FORMAT` of the ciphertext: auto, base64 or raw")
	o.input.flags(cmd.Flags())
	o.sink.flags(cmd)
	c.keyFlag(cmd, "key")
	return cmd
}

// plainDoc is the JSON of decrypt.
type plainDoc struct {
	KeyID     string `json:"KeyId"`
	Algorithm string `json:"EncryptionAlgorithm"`
	Plaintext []byte `json:",omitempty"`
	Out       string `json:",omitempty"`
}

func (c *cli) decrypt(ctx context.Context, o decryptOptions) error {
	blob, err := c.readCiphertext(o.input, o.inFormat)
	if err != nil {
		return err
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	in := &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: o.context, EncryptionAlgorithm: o.algorithm}
	in.KeyId = optional(o.key)
	out, err := cl.kms.Decrypt(ctx, in)
	if err != nil {
		return err
	}
	doc := plainDoc{KeyID: aws.ToString(out.KeyId), Algorithm: string(out.EncryptionAlgorithm), Plaintext: out.Plaintext}
	return c.putBytes(o.sink, raw, &doc.Plaintext, &doc.Out, &doc)
}
