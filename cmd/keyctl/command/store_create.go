package command

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

type storeCreateOptions struct {
	name, cluster, anchor, passwordFile string
}

func newStoreCreate(c *cli) *cobra.Command {
	o := &storeCreateOptions{}
	cmd := &cobra.Command{
		Use:   "create NAME --cluster ID",
		Short: "Make a custom key store of a token in keyd's configuration",
		Long: `Make a custom key store of a token in keyd's configuration. It is not connected
then: see keyctl store connect.

The password of the token's user, 7 to 32 characters, is asked for, or read from
a file; it is never part of a command line, which others on a machine can see.`,
		Example: "  keyctl store create eu-hsm --cluster cluster-2a23b4cdefg --password-file pin\n  keyctl store connect eu-hsm",
		Args:    cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.name = args[0]
			return c.storeCreate(ctx, *o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.cluster, "cluster", "", "the `ID` that the configuration gives the token, cluster-…")
	f.StringVar(&o.anchor, "trust-anchor", "", "`FILE` with the cluster's certificate, if the configuration names one")
	f.StringVar(&o.passwordFile, "password-file", "", "`FILE` with the password of the token's user on its first line; - is standard input (default: ask for it)")
	must(cmd.MarkFlagRequired("cluster"))
	return cmd
}

func (c *cli) storeCreate(ctx context.Context, o storeCreateOptions) error {
	password, err := c.password(o.passwordFile)
	if err != nil {
		return err
	}
	in := &kms.CreateCustomKeyStoreInput{
		CustomKeyStoreName: &o.name, CloudHsmClusterId: &o.cluster, KeyStorePassword: &password,
		CustomKeyStoreType: types.CustomKeyStoreTypeAwsCloudhsm,
	}
	if o.anchor != "" {
		anchor, err := c.read(input{in: o.anchor}, maxKeyFile)
		if err != nil {
			return err
		}
		in.TrustAnchorCertificate = aws.String(string(anchor))
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := cl.kms.CreateCustomKeyStore(ctx, in)
	if err != nil {
		return err
	}
	return c.showStore(ctx, cl, aws.ToString(out.CustomKeyStoreId))
}

// showStore ends a verb that changed a custom key store. If it cannot be read
// afterwards, that is no failure: its id is shown.
func (c *cli) showStore(ctx context.Context, cl *client, id string) error {
	doc := storeDoc{CustomKeyStoreID: id}
	if s, err := cl.store(ctx, id); err == nil {
		doc = newStoreDoc(s)
	}
	return c.show(doc, doc.table())
}

// password reads the password of a token's user, from a file or the terminal.
func (c *cli) password(file string) (string, error) {
	if file == "" {
		password, err := term.Secret(c.in, c.err, "Password of the token's user: ")
		if errors.Is(err, term.ErrNotInteractive) {
			return "", usagef("name a file: --password-file FILE", "password: there is nobody to ask")
		}
		return password, err
	}
	text, err := c.read(input{in: file}, maxPlaintext)
	if errors.Is(err, errTooLarge) {
		return "", usagef("", "password: more than 4,096 bytes, so it is none")
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSuffix(line, "\r"), err
}

type storeUpdateOptions struct {
	store, name, cluster, passwordFile string
	password                           bool
}

func newStoreUpdate(c *cli) *cobra.Command {
	o := &storeUpdateOptions{}
	cmd := &cobra.Command{
		Use:   "update STORE",
		Short: "Change the name, token or password of a custom key store",
		Long: `Change the name, token or password of a custom key store. It must be disconnected
for all but the name.`,
		Example: "  keyctl store update eu-hsm --name eu-hsm-2\n  keyctl store disconnect eu-hsm && keyctl store update eu-hsm --password",
		Args:    cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.store = args[0]
			return c.storeUpdate(ctx, *o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "", "its new `NAME`")
	f.StringVar(&o.cluster, "cluster", "", "the `ID` of the token's new name in the configuration")
	f.BoolVar(&o.password, "password", false, "ask for the new password of the token's user")
	f.StringVar(&o.passwordFile, "password-file", "", "`FILE` with the new password on its first line; - is standard input")
	cmd.MarkFlagsOneRequired("name", "cluster", "password", "password-file")
	cmd.MarkFlagsMutuallyExclusive("password", "password-file")
	cmd.ValidArgsFunction = c.completeStore
	return cmd
}

func (c *cli) storeUpdate(ctx context.Context, o storeUpdateOptions) error {
	in := &kms.UpdateCustomKeyStoreInput{NewCustomKeyStoreName: optional(o.name), CloudHsmClusterId: optional(o.cluster)}
	if o.password || o.passwordFile != "" {
		password, err := c.password(o.passwordFile)
		if err != nil {
			return err
		}
		in.KeyStorePassword = &password
	}
	return c.changeStore(ctx, o.store, func(cl *client, id *string) error {
		in.CustomKeyStoreId = id
		_, err := cl.kms.UpdateCustomKeyStore(ctx, in)
		return err
	})
}
