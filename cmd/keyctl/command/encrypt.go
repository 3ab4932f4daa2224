package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

type encryptOptions struct {
	key     string
	context pairs
	input   input

	algorithm types.EncryptionAlgorithmSpec
	sink      sink
}

const contextHelp = "`NAME=VALUE` of the encryption context; repeat for more. Decryption needs the same pairs. It is not secret: the audit log shows it"

const encryptionHelp = "encryption `ALGORITHM`: an RSA key needs RSAES_OAEP_SHA_256 or RSAES_OAEP_SHA_1 (default SYMMETRIC_DEFAULT)"

func newEncrypt(c *cli) *cobra.Command {
	o := &encryptOptions{sink: sink{
		base64Help: "write the ciphertext as base64 (the default)",
		rawHelp:    "write the ciphertext as it is",
	}}
	cmd := &cobra.Command{
		Use:   "encrypt --key KEY [FILE]",
		Short: "Encrypt up to 4,096 bytes",
		Long: `Encrypt up to 4,096 bytes with a key, from FILE or standard input.

The ciphertext is written as one line of base64, to a file too, or as it is
with --raw. For more than 4,096 bytes, use a data key: see keyctl datakey. An RSA
key encrypts less: 190 bytes with 2048 bits and RSAES_OAEP_SHA_256.`,
		Example: `  echo secret | keyctl encrypt --key alias/app --context tenant=7
  keyctl encrypt --key alias/app --out db.pass.enc db.pass`,
		Args: cobra.MaximumNArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.input.args = args
			return c.encrypt(ctx, *o)
		}),
	}
	cmd.Flags().StringVar(&o.key, "key", "", "the `KEY` to encrypt with")
	cmd.Flags().Var(&o.context, "context", contextHelp)
	choiceFlag(cmd, &o.algorithm, "algorithm", encryptionHelp, types.EncryptionAlgorithmSpec("").Values())
	o.input.flags(cmd.Flags())
	o.sink.flags(cmd)
	c.keyFlag(cmd, "key")
	must(cmd.MarkFlagRequired("key"))
	return cmd
}

func (c *cli) encrypt(ctx context.Context, o encryptOptions) error {
	plaintext, err := c.readPlaintext(o.input)
	if err != nil {
		return err
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := cl.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: &o.key, Plaintext: plaintext, EncryptionContext: o.context, EncryptionAlgorithm: o.algorithm})
	if err != nil {
		return err
	}
	return c.putCiphertext(o.sink, out.CiphertextBlob, cipherDoc{
		KeyID: aws.ToString(out.KeyId), Algorithm: string(out.EncryptionAlgorithm),
	})
}

// cipherDoc is the JSON of encrypt and reencrypt.
type cipherDoc struct {
	SourceKeyID    string `json:"SourceKeyId,omitempty"`
	KeyID          string `json:"KeyId"`
	Algorithm      string `json:"EncryptionAlgorithm"`
	CiphertextBlob []byte `json:",omitempty"`
	Out            string `json:",omitempty"`
}

// putCiphertext ends a verb whose result is a ciphertext.
func (c *cli) putCiphertext(s sink, blob []byte, doc cipherDoc) error {
	doc.CiphertextBlob = blob
	return c.putBytes(s, asBase64, &doc.CiphertextBlob, &doc.Out, &doc)
}
