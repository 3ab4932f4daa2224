package command

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

type signOptions struct {
	key       string
	algorithm types.SigningAlgorithmSpec
	message   message
	sink      sink
}

const signingHelp = "signing `ALGORITHM` (default: the key's own; of an RSA key RSASSA_PSS_SHA_256)"

func newSign(c *cli) *cobra.Command {
	o := &signOptions{sink: sink{
		base64Help: "write the signature as base64 (the default)",
		rawHelp:    "write the signature as it is; one by an elliptic curve is DER",
	}}
	cmd := &cobra.Command{
		Use:   "sign --key KEY [FILE]",
		Short: "Sign a message, or the digest of one",
		Long:  "Sign a message with the private key in the token.\n\n" + messageHelp,
		Example: `  keyctl sign --key alias/release --raw --out app.tar.sig app.tar
  sha256sum app.tar | keyctl sign --key alias/release --digest`,
		Args: cobra.MaximumNArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			o.message.input.args = args
			return c.sign(ctx, cl, *o)
		}),
	}
	cmd.Flags().StringVar(&o.key, "key", "", "the `KEY` to sign with")
	choiceFlag(cmd, &o.algorithm, "algorithm", signingHelp, types.SigningAlgorithmSpec("").Values())
	o.message.flags(cmd)
	o.sink.flags(cmd)
	c.keyFlag(cmd, "key")
	must(cmd.MarkFlagRequired("key"))
	return cmd
}

// signDoc is the JSON of sign.
type signDoc struct {
	KeyID            string `json:"KeyId"`
	SigningAlgorithm types.SigningAlgorithmSpec
	MessageType      types.MessageType
	Signature        []byte `json:",omitempty"`
	Out              string `json:",omitempty"`
}

func (c *cli) sign(ctx context.Context, cl *client, o signOptions) error {
	algorithm, err := cl.signingAlgorithm(ctx, o.key, o.algorithm)
	if err != nil {
		return err
	}
	sent, kind, err := o.message.read(c, algorithm)
	if err != nil {
		return err
	}
	out, err := cl.kms.Sign(ctx, &kms.SignInput{KeyId: &o.key, Message: sent, MessageType: kind, SigningAlgorithm: algorithm})
	if err != nil {
		return err
	}
	doc := signDoc{KeyID: aws.ToString(out.KeyId), SigningAlgorithm: out.SigningAlgorithm, MessageType: kind, Signature: out.Signature}
	return c.putBytes(o.sink, asBase64, &doc.Signature, &doc.Out, &doc)
}

// signingAlgorithm is the one given, or the one that the key is used with.
func (cl *client) signingAlgorithm(ctx context.Context, key string, given types.SigningAlgorithmSpec) (types.SigningAlgorithmSpec, error) {
	if given != "" {
		return given, nil
	}
	m, err := cl.purpose(ctx, key)
	if err != nil {
		return "", err
	}
	return preferred(m, m.SigningAlgorithms, "signing", types.SigningAlgorithmSpecRsassaPssSha256, types.SigningAlgorithmSpecEd25519Sha512)
}

// purpose describes a key to learn which algorithm it is used with.
func (cl *client) purpose(ctx context.Context, key string) (*types.KeyMetadata, error) {
	out, err := cl.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
	if denied(err) {
		return nil, &failure{err: explain(err).err, hint: "with --algorithm the key need not be described", exit: exitRefused}
	}
	if err != nil {
		return nil, err
	}
	return out.KeyMetadata, nil
}

// preferred chooses among a key's algorithms: one of the best, else the first.
func preferred[T ~string](m *types.KeyMetadata, has []T, act string, best ...T) (T, error) {
	for _, b := range best {
		if slices.Contains(has, b) {
			return b, nil
		}
	}
	if len(has) > 0 {
		return has[0], nil
	}
	arn := aws.ToString(m.Arn)
	return "", usagef("see what it is for: keyctl key describe "+arn, "%s: not a key for %s, its usage is %s", arn, act, m.KeyUsage)
}
