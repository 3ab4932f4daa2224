package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

type deriveOptions struct {
	key, peer string
	sink      sink
}

func newDerive(c *cli) *cobra.Command {
	o := &deriveOptions{sink: sink{
		base64Help: "write the secret as base64 (the default)",
		rawHelp:    "write the secret as it is",
	}}
	cmd := &cobra.Command{
		Use:   "derive --key KEY --public-key FILE",
		Short: "Agree on a secret with the holder of another key (ECDH)",
		Long: `Agree on a secret with the holder of another key, whose public key is in FILE (PEM
or DER) and on the same curve. Both sides get the same secret; feed it to a key
derivation function before it is used as a key.`,
		Example: "  keyctl derive --key alias/exchange --public-key peer.pem --raw --out secret.bin",
		Args:    cobra.NoArgs,
		RunE:    c.connected(func(ctx context.Context, cl *client, _ []string) error { return c.derive(ctx, cl, *o) }),
	}
	cmd.Flags().StringVar(&o.key, "key", "", "the `KEY`, made with --usage KEY_AGREEMENT")
	cmd.Flags().StringVar(&o.peer, "public-key", "", "`FILE` with the other side's public key; - is standard input")
	o.sink.flags(cmd)
	c.keyFlag(cmd, "key")
	must(cmd.MarkFlagRequired("key"))
	must(cmd.MarkFlagRequired("public-key"))
	return cmd
}

// deriveDoc is the JSON of derive.
type deriveDoc struct {
	KeyID                 string `json:"KeyId"`
	KeyAgreementAlgorithm types.KeyAgreementAlgorithmSpec
	SharedSecret          []byte `json:",omitempty"`
	Out                   string `json:",omitempty"`
}

func (c *cli) derive(ctx context.Context, cl *client, o deriveOptions) error {
	peer, err := c.readPublicKey(o.peer)
	if err != nil {
		return err
	}
	out, err := cl.kms.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{
		KeyId: &o.key, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh, PublicKey: peer,
	})
	if err != nil {
		return err
	}
	doc := deriveDoc{KeyID: aws.ToString(out.KeyId), KeyAgreementAlgorithm: out.KeyAgreementAlgorithm, SharedSecret: out.SharedSecret}
	return c.putBytes(o.sink, asBase64, &doc.SharedSecret, &doc.Out, &doc)
}
