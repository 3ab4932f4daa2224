package command

import (
	"context"
	"encoding/pem"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

// keyForm is the value of public-key's --format.
type keyForm string

const (
	formPEM keyForm = "pem"
	formDER keyForm = "der"
	formJWK keyForm = "jwk"
	formSSH keyForm = "ssh"
)

type publicKeyOptions struct {
	key  string
	form keyForm
	out  string
}

func newPublicKey(c *cli) *cobra.Command {
	o := &publicKeyOptions{form: formPEM}
	cmd := &cobra.Command{
		Use:   "public-key KEY",
		Short: "The public half of a key, for others to verify and encrypt with",
		Long: `The public half of a key: as PEM or DER (SubjectPublicKeyInfo, what OpenSSL and
most libraries read), as a JSON Web Key whose kid is the key's ARN, or as a line
for authorized_keys of OpenSSH.`,
		Example: `  keyctl public-key alias/release > release.pem
  keyctl public-key alias/release -f jwk
  keyctl public-key alias/login -f ssh >> ~/.ssh/authorized_keys`,
		Args: cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			o.key = args[0]
			return c.publicKey(ctx, cl, *o)
		}),
	}
	forms := []keyForm{formPEM, formDER, formJWK, formSSH}
	cmd.Flags().VarP(choice[keyForm]{&o.form, forms}, "format", "f", "`FORMAT`: pem, der, jwk or ssh")
	completeWords(cmd, "format", forms)
	cmd.Flags().StringVar(&o.out, "out", "", "write to `FILE`, whole or not at all; - is standard output, the default")
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

// publicKeyDoc is the JSON of public-key; the key itself is DER.
type publicKeyDoc struct {
	KeyID                  string `json:"KeyId"`
	KeySpec                types.KeySpec
	KeyUsage               types.KeyUsageType
	EncryptionAlgorithms   []types.EncryptionAlgorithmSpec   `json:",omitempty"`
	SigningAlgorithms      []types.SigningAlgorithmSpec      `json:",omitempty"`
	KeyAgreementAlgorithms []types.KeyAgreementAlgorithmSpec `json:",omitempty"`
	PublicKey              []byte                            `json:",omitempty"`
	Out                    string                            `json:",omitempty"`
}

func (c *cli) publicKey(ctx context.Context, cl *client, o publicKeyOptions) error {
	out, err := cl.kms.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &o.key})
	if err != nil {
		return err
	}
	doc := publicKeyDoc{
		KeyID: aws.ToString(out.KeyId), KeySpec: out.KeySpec, KeyUsage: out.KeyUsage, EncryptionAlgorithms: out.EncryptionAlgorithms,
		SigningAlgorithms: out.SigningAlgorithms, KeyAgreementAlgorithms: out.KeyAgreementAlgorithms, PublicKey: out.PublicKey,
	}
	if c.format == outputJSON && !toFile(o.out) {
		return c.json(doc)
	}
	text, err := doc.encode(o.form)
	if err != nil {
		return err
	}
	if err := c.put(o.out, raw, text); err != nil || c.format != outputJSON {
		return err
	}
	doc.PublicKey, doc.Out = nil, o.out
	return c.json(doc)
}

// encode writes the key in one of its forms.
func (d publicKeyDoc) encode(form keyForm) ([]byte, error) {
	switch form {
	case formDER:
		return d.PublicKey, nil
	case formPEM:
		return pemText("PUBLIC KEY", d.PublicKey), nil
	}
	k, err := parsePublic(d.PublicKey)
	if err != nil {
		return nil, failf(exitFailure, "take it as it is: -f der", "%s: %w", d.KeyID, err)
	}
	encode := k.jwk
	if form == formSSH {
		encode = k.ssh
	}
	text, err := encode(d.KeyID)
	if err != nil {
		return nil, failf(exitUsage, "take it as pem or der", "-f %s: %w", form, err)
	}
	return text, nil
}

func pemText(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// errForm: a form has no way to write this kind of key.
func errForm(what string) error { return fmt.Errorf("%s keys have no such form", what) }
