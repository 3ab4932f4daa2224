package command

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

type macOptions struct {
	key       string
	algorithm types.MacAlgorithmSpec
	mac       string
	input     input
	sink      sink
}

func newMac(c *cli) *cobra.Command {
	return parent("mac", "Make and verify message authentication codes (HMAC)", newMacGenerate(c), newMacVerify(c))
}

// flags gives cmd what both verbs have.
func (o *macOptions) flags(c *cli, cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.key, "key", "", "the `KEY`, made with --spec HMAC_256 or the like")
	choiceFlag(cmd, &o.algorithm, "algorithm", "MAC `ALGORITHM` (default: the key's own)", types.MacAlgorithmSpec("").Values())
	o.input.flags(cmd.Flags())
	c.keyFlag(cmd, "key")
	must(cmd.MarkFlagRequired("key"))
}

func newMacGenerate(c *cli) *cobra.Command {
	o := &macOptions{sink: sink{
		base64Help: "write the MAC as base64 (the default)",
		rawHelp:    "write the MAC as it is",
	}}
	cmd := &cobra.Command{
		Use:     "generate --key KEY [FILE]",
		Short:   "Make the MAC of up to 4,096 bytes",
		Example: "  echo '{\"user\":7}' | keyctl mac generate --key alias/tokens --out token.mac",
		Args:    cobra.MaximumNArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			o.input.args = args
			return c.macGenerate(ctx, cl, *o)
		}),
	}
	o.flags(c, cmd)
	cmd.Flags().BoolVar(&o.sink.hex, "hex", false, "write hexadecimal")
	o.sink.flags(cmd)
	cmd.MarkFlagsMutuallyExclusive("base64", "raw", "hex")
	return cmd
}

// macDoc is the JSON of mac generate.
type macDoc struct {
	KeyID        string `json:"KeyId"`
	MacAlgorithm types.MacAlgorithmSpec
	Mac          []byte `json:",omitempty"`
	Out          string `json:",omitempty"`
}

func (c *cli) macGenerate(ctx context.Context, cl *client, o macOptions) error {
	message, algorithm, err := c.readMacMessage(ctx, cl, o)
	if err != nil {
		return err
	}
	out, err := cl.kms.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &o.key, Message: message, MacAlgorithm: algorithm})
	if err != nil {
		return err
	}
	doc := macDoc{KeyID: aws.ToString(out.KeyId), MacAlgorithm: out.MacAlgorithm, Mac: out.Mac}
	return c.putBytes(o.sink, asBase64, &doc.Mac, &doc.Out, &doc)
}

// readMacMessage reads the message, and asks for the key's algorithm if none was given.
func (c *cli) readMacMessage(ctx context.Context, cl *client, o macOptions) ([]byte, types.MacAlgorithmSpec, error) {
	message, err := c.read(o.input, maxPlaintext)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, "", usagef("make the MAC of its digest, and say so to whoever verifies it", "message: more than 4,096 bytes, which is all that a MAC is made of")
	case err != nil:
		return nil, "", err
	case len(message) == 0:
		return nil, "", usagef("give a FILE, or pipe something in", "message: empty")
	case o.algorithm != "":
		return message, o.algorithm, nil
	}
	m, err := cl.purpose(ctx, o.key)
	if err != nil {
		return nil, "", err
	}
	algorithm, err := preferred(m, m.MacAlgorithms, "MACs")
	return message, algorithm, err
}

func newMacVerify(c *cli) *cobra.Command {
	o := &macOptions{}
	cmd := &cobra.Command{
		Use:   "verify --key KEY --mac MAC [FILE]",
		Short: "Tell whether a MAC is of this message by this key",
		Long: `Tell whether a MAC is of this message by this key: the exit code is 0 if it is, 9
if it is not, and another if that could not be told. The MAC may be base64 or raw.`,
		Example: "  echo '{\"user\":7}' | keyctl mac verify --key alias/tokens --mac token.mac",
		Args:    cobra.MaximumNArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			o.input.args = args
			return c.macVerify(ctx, cl, *o)
		}),
	}
	o.flags(c, cmd)
	cmd.Flags().StringVar(&o.mac, "mac", "", "`FILE` with the MAC; - is standard input")
	must(cmd.MarkFlagRequired("mac"))
	return cmd
}

// macVerifyDoc is the JSON of mac verify, whose answer is yes if there is one.
type macVerifyDoc struct {
	KeyID        string `json:"KeyId"`
	MacAlgorithm types.MacAlgorithmSpec
	MacValid     bool
}

func (c *cli) macVerify(ctx context.Context, cl *client, o macOptions) error {
	mac, err := c.readProof(o.input, o.mac, "MAC", "is it the file that mac generate wrote?")
	if err != nil {
		return err
	}
	message, algorithm, err := c.readMacMessage(ctx, cl, o)
	if err != nil {
		return err
	}
	out, err := cl.kms.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &o.key, Message: message, MacAlgorithm: algorithm, Mac: mac})
	if err != nil {
		return err
	}
	doc := macVerifyDoc{aws.ToString(out.KeyId), out.MacAlgorithm, out.MacValid}
	if !doc.MacValid {
		// KMS answers with an exception instead; this is no yes either.
		return failf(exitInvalid, "", "the MAC is not of this message by %s", doc.KeyID)
	}
	return c.done(doc, "the MAC is good: %s by %s", doc.MacAlgorithm, doc.KeyID)
}
