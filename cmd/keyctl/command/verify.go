package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

type verifyOptions struct {
	key       string
	algorithm types.SigningAlgorithmSpec
	signature string
	message   message
}

func newVerify(c *cli) *cobra.Command {
	o := &verifyOptions{}
	cmd := &cobra.Command{
		Use:   "verify --key KEY --signature SIGNATURE [FILE]",
		Short: "Tell whether a signature is of this message by this key",
		Long: `Tell whether a signature is of this message by this key: the exit code is 0 if it
is, 9 if it is not, and another if that could not be told.

` + messageHelp + ` The
signature may be base64 or raw bytes (DER, if it is by an elliptic curve).`,
		Example: `  keyctl verify --key alias/release --signature app.tar.sig app.tar && tar xf app.tar`,
		Args:    cobra.MaximumNArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			o.message.input.args = args
			return c.verify(ctx, cl, *o)
		}),
	}
	cmd.Flags().StringVar(&o.key, "key", "", "the `KEY` that signed")
	cmd.Flags().StringVar(&o.signature, "signature", "", "`FILE` with the signature; - is standard input")
	choiceFlag(cmd, &o.algorithm, "algorithm", signingHelp, types.SigningAlgorithmSpec("").Values())
	o.message.flags(cmd)
	c.keyFlag(cmd, "key")
	must(cmd.MarkFlagRequired("key"))
	must(cmd.MarkFlagRequired("signature"))
	return cmd
}

// signatureDoc is the JSON of verify, whose answer is yes if there is one.
type signatureDoc struct {
	KeyID            string `json:"KeyId"`
	SigningAlgorithm types.SigningAlgorithmSpec
	SignatureValid   bool
}

func (c *cli) verify(ctx context.Context, cl *client, o verifyOptions) error {
	signature, err := c.readProof(o.message.input, o.signature, "signature", "is it the file that sign wrote?")
	if err != nil {
		return err
	}
	algorithm, err := cl.signingAlgorithm(ctx, o.key, o.algorithm)
	if err != nil {
		return err
	}
	sent, kind, err := o.message.read(c, algorithm)
	if err != nil {
		return err
	}
	out, err := cl.kms.Verify(ctx, &kms.VerifyInput{
		KeyId: &o.key, Message: sent, MessageType: kind, SigningAlgorithm: algorithm, Signature: signature,
	})
	if err != nil {
		return err
	}
	doc := signatureDoc{aws.ToString(out.KeyId), out.SigningAlgorithm, out.SignatureValid}
	if !doc.SignatureValid {
		// KMS answers with an exception instead; this is no yes either.
		return failf(exitInvalid, "", "the signature is not of this message by %s", doc.KeyID)
	}
	return c.done(doc, "the signature is good: %s by %s", doc.SigningAlgorithm, doc.KeyID)
}

// readProof reads a signature or MAC from a file beside the message, which
// cannot be the same input.
func (c *cli) readProof(message input, file, what, hint string) ([]byte, error) {
	name, err := message.name()
	if err != nil {
		return nil, err
	}
	if isStdin(name) && isStdin(file) {
		return nil, usagef("name a FILE for one of them", "the message and the %s are both read from standard input", what)
	}
	return c.readBlob(input{in: file}, inAuto, what, hint)
}

func isStdin(file string) bool { return file == "" || file == "-" }
