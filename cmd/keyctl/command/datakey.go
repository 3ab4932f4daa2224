package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

// maxRandom is how many bytes KMS makes at once.
const maxRandom = 1024

type datakeyOptions struct {
	key              string
	spec             string
	bytes            int
	useBytes         bool
	context          pairs
	withoutPlaintext bool
	plaintextOut     string
	ciphertextOut    string
	pair             types.DataKeyPairSpec
	publicOut        string
}

func newDatakey(c *cli) *cobra.Command {
	o := &datakeyOptions{}
	cmd := &cobra.Command{
		Use:   "datakey --key KEY",
		Short: "Make a data key: in clear to use now, and encrypted to keep",
		Long: `Make a data key: in clear, to encrypt any amount of data with and then forget,
and encrypted with KEY, to keep beside the data. "keyctl decrypt" opens it.

Both are printed as base64. --plaintext-out writes the key's bytes to a file
instead, --ciphertext-out one line of base64, as encrypt does; both files are
readable by you alone.

With --pair it is a key pair, whose private key the flags speak of then; in files
it is PEM, and what "keyctl decrypt" opens is DER (PKCS #8).`,
		Example: `  keyctl datakey --key alias/app --plaintext-out k --ciphertext-out k.enc
  keyctl datakey --key alias/app --without-plaintext -o json
  keyctl datakey --key alias/app --pair ECC_NIST_P256 --public-out pub.pem --ciphertext-out k.enc`,
		Args: cobra.NoArgs,
	}
	cmd.RunE = c.run(func(ctx context.Context, _ []string) error {
		o.useBytes = cmd.Flags().Changed("bytes")
		switch {
		case o.pair != "":
			return c.datakeyPair(ctx, *o)
		case o.publicOut != "":
			return usagef("add --pair SPEC", "--public-out: only key pairs have a public key")
		}
		return c.datakey(ctx, *o)
	})
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "the `KEY` that encrypts the data key")
	f.StringVar(&o.spec, "spec", "", "`SPEC`: AES_256 (the default) or AES_128")
	f.IntVar(&o.bytes, "bytes", 0, "make `N` bytes, 1 to 1024, rather than an AES key")
	f.Var(&o.context, "context", contextHelp)
	f.BoolVar(&o.withoutPlaintext, "without-plaintext", false, "only the encrypted key; the key in clear stays in keyd")
	f.StringVar(&o.plaintextOut, "plaintext-out", "", "write the key in clear to `FILE`, as it is, and do not print it")
	f.StringVar(&o.ciphertextOut, "ciphertext-out", "", "write the encrypted key to `FILE`, as base64, and do not print it")
	o.pairFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("spec", "bytes")
	cmd.MarkFlagsMutuallyExclusive("without-plaintext", "plaintext-out")
	c.keyFlag(cmd, "key")
	must(cmd.RegisterFlagCompletionFunc("spec", cobra.FixedCompletions([]string{"AES_256", "AES_128"}, cobra.ShellCompDirectiveNoFileComp)))
	must(cmd.MarkFlagRequired("key"))
	return cmd
}

// datakeyDoc is the JSON of datakey.
type datakeyDoc struct {
	KeyID          string `json:"KeyId"`
	Plaintext      []byte `json:",omitempty"`
	CiphertextBlob []byte `json:",omitempty"`
	PlaintextOut   string `json:",omitempty"`
	CiphertextOut  string `json:",omitempty"`
}

func (c *cli) datakey(ctx context.Context, o datakeyOptions) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	doc, err := cl.datakey(ctx, o)
	if err != nil {
		return err
	}
	defer clear(doc.Plaintext)
	return c.showParts(doc.KeyID, &doc,
		part{"ciphertext", &doc.CiphertextBlob, asBase64.encode(doc.CiphertextBlob), o.ciphertextOut, &doc.CiphertextOut},
		part{"plaintext", &doc.Plaintext, doc.Plaintext, o.plaintextOut, &doc.PlaintextOut})
}

// datakey asks for the key in one of KMS's two ways.
func (cl *client) datakey(ctx context.Context, o datakeyOptions) (datakeyDoc, error) {
	spec, bytes, err := o.size()
	if err != nil {
		return datakeyDoc{}, err
	}
	if o.withoutPlaintext {
		out, err := cl.kms.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{
			KeyId: &o.key, EncryptionContext: o.context, KeySpec: spec, NumberOfBytes: bytes,
		})
		if err != nil {
			return datakeyDoc{}, err
		}
		return datakeyDoc{KeyID: aws.ToString(out.KeyId), CiphertextBlob: out.CiphertextBlob}, nil
	}
	out, err := cl.kms.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: &o.key, EncryptionContext: o.context, KeySpec: spec, NumberOfBytes: bytes,
	})
	if err != nil {
		return datakeyDoc{}, err
	}
	return datakeyDoc{KeyID: aws.ToString(out.KeyId), Plaintext: out.Plaintext, CiphertextBlob: out.CiphertextBlob}, nil
}

// size is what to make: KMS wants exactly one of spec and number of bytes.
func (o datakeyOptions) size() (types.DataKeySpec, *int32, error) {
	switch {
	case o.useBytes:
		n, err := randomBytes(o.bytes)
		return "", n, err
	case o.spec == "" || o.spec == string(types.DataKeySpecAes256):
		return types.DataKeySpecAes256, nil, nil
	case o.spec == string(types.DataKeySpecAes128):
		return types.DataKeySpecAes128, nil, nil
	}
	return "", nil, usagef("", "--spec %s: must be AES_256 or AES_128", o.spec)
}

// randomBytes checks a number of bytes to make.
func randomBytes(n int) (*int32, error) {
	if n < 1 || n > maxRandom {
		return nil, usagef("", "--bytes %d: must be 1 to 1024", n)
	}
	return aws.Int32(int32(n)), nil
}
