package command

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

// aliasPrefix begins every alias name.
const aliasPrefix = "alias/"

// aliasName completes a name where only an alias can be meant.
func aliasName(name string) string {
	if strings.HasPrefix(name, aliasPrefix) {
		return name
	}
	return aliasPrefix + name
}

func newAlias(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alias",
		Short: "Give keys names that can move to other keys",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(newAliasCreate(c), newAliasUpdate(c), newAliasDelete(c), newAliasList(c))
	return cmd
}

// aliasDoc is the JSON of an alias; create, update and delete know its first
// members only.
type aliasDoc struct {
	AliasName       string
	AliasARN        string     `json:"AliasArn,omitempty"`
	TargetKeyID     string     `json:"TargetKeyId,omitempty"`
	CreationDate    *time.Time `json:",omitempty"`
	LastUpdatedDate *time.Time `json:",omitempty"`
}

// aliases returns all aliases of a key, or of all keys if it is nil, by name.
func (cl *client) aliases(ctx context.Context, key *string) ([]types.AliasListEntry, error) {
	var all []types.AliasListEntry
	for pages := kms.NewListAliasesPaginator(cl.kms, &kms.ListAliasesInput{KeyId: key}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Aliases...)
	}
	slices.SortFunc(all, func(a, b types.AliasListEntry) int {
		return strings.Compare(aws.ToString(a.AliasName), aws.ToString(b.AliasName))
	})
	return all, nil
}

func newAliasList(c *cli) *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Every alias and its key",
		Example: "  keyctl alias list\n  keyctl alias list --key alias/app",
		Args:    cobra.NoArgs,
		RunE:    c.run(func(ctx context.Context, _ []string) error { return c.aliasList(ctx, key) }),
	}
	cmd.Flags().StringVar(&key, "key", "", "only aliases of this `KEY`")
	c.keyFlag(cmd, "key")
	return cmd
}

// aliasListDoc is the JSON of alias list.
type aliasListDoc struct{ Aliases []aliasDoc }

func (c *cli) aliasList(ctx context.Context, key string) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	var of *string
	if key != "" {
		arn, err := cl.resolve(ctx, key)
		if err != nil {
			return err
		}
		of = &arn
	}
	entries, err := cl.aliases(ctx, of)
	if err != nil {
		return err
	}
	doc := aliasListDoc{Aliases: []aliasDoc{}}
	t := term.NewTable("ALIAS", "KEY", "UPDATED")
	for _, e := range entries {
		doc.Aliases = append(doc.Aliases, aliasDoc{aws.ToString(e.AliasName), aws.ToString(e.AliasArn), aws.ToString(e.TargetKeyId), e.CreationDate, e.LastUpdatedDate})
		t.Row(aws.ToString(e.AliasName), orDash(aws.ToString(e.TargetKeyId)), when(aws.ToTime(e.LastUpdatedDate)))
	}
	return c.show(doc, t)
}
