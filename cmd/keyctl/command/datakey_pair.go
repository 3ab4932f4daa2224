package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

// pairFlags gives datakey what pairs need. The other flags mean the private key.
func (o *datakeyOptions) pairFlags(cmd *cobra.Command) {
	choiceFlag(cmd, &o.pair, "pair", "make a key pair of this `SPEC`, such as RSA_3072 or ECC_NIST_P256", types.DataKeyPairSpec("").Values())
	cmd.Flags().StringVar(&o.publicOut, "public-out", "", "write the public key of --pair to `FILE`, as PEM, and do not print it")
	cmd.MarkFlagsMutuallyExclusive("pair", "spec")
	cmd.MarkFlagsMutuallyExclusive("pair", "bytes")
}

// pairDoc is the JSON of datakey --pair; keys in clear are DER.
type pairDoc struct {
	KeyID                    string `json:"KeyId"`
	KeyPairSpec              types.DataKeyPairSpec
	PublicKey                []byte `json:",omitempty"`
	PrivateKeyPlaintext      []byte `json:",omitempty"`
	PrivateKeyCiphertextBlob []byte `json:",omitempty"`
	PublicOut                string `json:",omitempty"`
	PlaintextOut             string `json:",omitempty"`
	CiphertextOut            string `json:",omitempty"`
}

func (c *cli) datakeyPair(ctx context.Context, o datakeyOptions) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	doc, err := cl.datakeyPair(ctx, o)
	if err != nil {
		return err
	}
	defer clear(doc.PrivateKeyPlaintext)
	private := pemText("PRIVATE KEY", doc.PrivateKeyPlaintext)
	defer clear(private)
	return c.showParts(doc.KeyID, &doc,
		part{"ciphertext", &doc.PrivateKeyCiphertextBlob, asBase64.encode(doc.PrivateKeyCiphertextBlob), o.ciphertextOut, &doc.CiphertextOut},
		part{"public key", &doc.PublicKey, pemText("PUBLIC KEY", doc.PublicKey), o.publicOut, &doc.PublicOut},
		part{"private key", &doc.PrivateKeyPlaintext, private, o.plaintextOut, &doc.PlaintextOut})
}

// showParts ends datakey: each part goes to its file or is shown. The ciphertext
// comes first: a key in clear that cannot be had again is the worse loss.
func (c *cli) showParts(key string, doc any, parts ...part) error {
	t := term.NewTable()
	t.Row("key", key)
	for _, p := range parts {
		if err := p.put(t); err != nil {
			return err
		}
	}
	return c.show(doc, t)
}

// part is one of the keys that an answer holds: its bytes, how a file holds
// them, and the file, if it is to be in one instead.
type part struct {
	name  string
	bytes *[]byte
	text  []byte
	file  string
	out   *string
}

// put writes the part to its file or into the table.
func (p part) put(t *term.Table) error {
	switch {
	case p.file != "":
		if err := writeFile(p.file, p.text); err != nil {
			return err
		}
		*p.out, *p.bytes = p.file, nil
		t.Row(p.name, "in "+p.file)
	case *p.bytes != nil:
		text := asBase64.encode(*p.bytes)
		t.Row(p.name, string(text[:len(text)-1]))
	}
	return nil
}

// datakeyPair asks for the pair in one of KMS's two ways.
func (cl *client) datakeyPair(ctx context.Context, o datakeyOptions) (pairDoc, error) {
	if o.withoutPlaintext {
		out, err := cl.kms.GenerateDataKeyPairWithoutPlaintext(ctx, &kms.GenerateDataKeyPairWithoutPlaintextInput{
			KeyId: &o.key, EncryptionContext: o.context, KeyPairSpec: o.pair,
		})
		if err != nil {
			return pairDoc{}, err
		}
		return pairDoc{KeyID: aws.ToString(out.KeyId), KeyPairSpec: out.KeyPairSpec, PublicKey: out.PublicKey,
			PrivateKeyCiphertextBlob: out.PrivateKeyCiphertextBlob}, nil
	}
	out, err := cl.kms.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{
		KeyId: &o.key, EncryptionContext: o.context, KeyPairSpec: o.pair,
	})
	if err != nil {
		return pairDoc{}, err
	}
	return pairDoc{KeyID: aws.ToString(out.KeyId), KeyPairSpec: out.KeyPairSpec, PublicKey: out.PublicKey,
		PrivateKeyPlaintext: out.PrivateKeyPlaintext, PrivateKeyCiphertextBlob: out.PrivateKeyCiphertextBlob}, nil
}
