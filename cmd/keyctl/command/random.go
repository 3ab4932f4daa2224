package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/spf13/cobra"
)

type randomOptions struct {
	bytes int
	sink  sink
}

func newRandom(c *cli) *cobra.Command {
	o := &randomOptions{sink: sink{
		base64Help: "write base64 (the default)",
		rawHelp:    "write the bytes as they are",
	}}
	cmd := &cobra.Command{
		Use:   "random",
		Short: "Random bytes from the token's generator",
		Example: `  keyctl random --bytes 16 --hex
  keyctl random --bytes 32 --raw --out seed`,
		Args: cobra.NoArgs,
		RunE: c.run(func(ctx context.Context, _ []string) error { return c.random(ctx, *o) }),
	}
	cmd.Flags().IntVar(&o.bytes, "bytes", 32, "make `N` bytes, 1 to 1024")
	cmd.Flags().BoolVar(&o.sink.hex, "hex", false, "write hexadecimal")
	o.sink.flags(cmd)
	cmd.MarkFlagsMutuallyExclusive("base64", "raw", "hex")
	return cmd
}

// randomDoc is the JSON of random.
type randomDoc struct {
	Plaintext []byte `json:",omitempty"`
	Out       string `json:",omitempty"`
}

func (c *cli) random(ctx context.Context, o randomOptions) error {
	n, err := randomBytes(o.bytes)
	if err != nil {
		return err
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := cl.kms.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: n})
	if err != nil {
		return err
	}
	doc := randomDoc{Plaintext: out.Plaintext}
	return c.putBytes(o.sink, asBase64, &doc.Plaintext, &doc.Out, &doc)
}
