package command

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

func newStore(c *cli) *cobra.Command {
	cmd := parent("store", "Custom key stores: keys that live in another token",
		newStoreCreate(c), newStoreList(c), newStoreUpdate(c), newStoreConnect(c), newStoreDisconnect(c), newStoreDelete(c))
	cmd.Long = `Custom key stores: keys that live in another token than keyd's own.

Each is a token of keyd's configuration, named there by a cluster id. Its keys
are made in it with keyctl key create --store, and work while it is connected.
STORE is its name or id.`
	return cmd
}

// storeIDPrefix begins the ids that KMS gives to custom key stores.
const storeIDPrefix = "cks-"

// stores asks for custom key stores, every page.
func (cl *client) stores(ctx context.Context, in *kms.DescribeCustomKeyStoresInput) ([]types.CustomKeyStoresListEntry, error) {
	return all(ctx, kms.NewDescribeCustomKeyStoresPaginator(cl.kms, in),
		func(o *kms.DescribeCustomKeyStoresOutput) []types.CustomKeyStoresListEntry { return o.CustomKeyStores })
}

// store returns the custom key store of this name or id.
func (cl *client) store(ctx context.Context, name string) (types.CustomKeyStoresListEntry, error) {
	in := &kms.DescribeCustomKeyStoresInput{CustomKeyStoreName: &name}
	if strings.HasPrefix(name, storeIDPrefix) {
		in = &kms.DescribeCustomKeyStoresInput{CustomKeyStoreId: &name}
	}
	found, err := cl.stores(ctx, in)
	if err != nil {
		return types.CustomKeyStoresListEntry{}, err
	}
	if len(found) == 0 {
		return types.CustomKeyStoresListEntry{}, failf(exitNotFound, "keyctl store list shows what is there", "custom key store %s: not found", name)
	}
	return found[0], nil
}

// storeDoc is the JSON of a custom key store, as KMS answers it.
type storeDoc struct {
	CustomKeyStoreID       string                        `json:"CustomKeyStoreId"`
	CustomKeyStoreName     string                        `json:",omitempty"`
	CustomKeyStoreType     types.CustomKeyStoreType      `json:",omitempty"`
	CloudHSMClusterID      string                        `json:"CloudHsmClusterId,omitempty"`
	ConnectionState        types.ConnectionStateType     `json:",omitempty"`
	ConnectionErrorCode    types.ConnectionErrorCodeType `json:",omitempty"`
	TrustAnchorCertificate string                        `json:",omitempty"`
	CreationDate           *time.Time                    `json:",omitempty"`
}

func newStoreDoc(s types.CustomKeyStoresListEntry) storeDoc {
	return storeDoc{
		CustomKeyStoreID: aws.ToString(s.CustomKeyStoreId), CustomKeyStoreName: aws.ToString(s.CustomKeyStoreName),
		CustomKeyStoreType: s.CustomKeyStoreType, CloudHSMClusterID: aws.ToString(s.CloudHsmClusterId),
		ConnectionState: s.ConnectionState, ConnectionErrorCode: s.ConnectionErrorCode,
		TrustAnchorCertificate: aws.ToString(s.TrustAnchorCertificate), CreationDate: s.CreationDate,
	}
}

func (s storeDoc) table() *term.Table {
	t := term.NewTable()
	t.Row("store", s.CustomKeyStoreName)
	t.Row("id", s.CustomKeyStoreID)
	t.Row("cluster", orDash(s.CloudHSMClusterID))
	t.Row("connection", s.connection())
	t.Row("created", when(aws.ToTime(s.CreationDate)))
	return t
}

// connection is its state, and why it is not connected if that failed.
func (s storeDoc) connection() string {
	if s.ConnectionErrorCode != "" {
		return string(s.ConnectionState) + " (" + string(s.ConnectionErrorCode) + ")"
	}
	return string(s.ConnectionState)
}

func newStoreList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Every custom key store",
		Example: "  keyctl store list",
		Args:    cobra.NoArgs,
		RunE:    c.connected(func(ctx context.Context, cl *client, _ []string) error { return c.storeList(ctx, cl) }),
	}
}

// storeListDoc is the JSON of store list.
type storeListDoc struct{ CustomKeyStores []storeDoc }

func (c *cli) storeList(ctx context.Context, cl *client) error {
	found, err := cl.stores(ctx, &kms.DescribeCustomKeyStoresInput{})
	if err != nil {
		return err
	}
	doc := storeListDoc{CustomKeyStores: []storeDoc{}}
	t := term.NewTable("STORE", "ID", "CLUSTER", "CONNECTION", "CREATED")
	for _, s := range found {
		d := newStoreDoc(s)
		doc.CustomKeyStores = append(doc.CustomKeyStores, d)
		t.Row(d.CustomKeyStoreName, d.CustomKeyStoreID, orDash(d.CloudHSMClusterID), d.connection(), when(aws.ToTime(d.CreationDate)))
	}
	return c.show(doc, t)
}

// completeStore completes names of custom key stores as the first argument.
func (c *cli) completeStore(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	cl, err := c.connect(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	page, err := cl.kms.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, s := range page.CustomKeyStores {
		names = append(names, cobra.CompletionWithDesc(aws.ToString(s.CustomKeyStoreName), aws.ToString(s.CustomKeyStoreId)))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
