package command

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/keyd-hsm/keyd/internal/term"
)

// describers is how many keys are described at once: enough to hide the way to
// keyd, too few to be in anybody's way.
const describers = 8

func newKeyList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Every key, with its aliases and state",
		Example: "  keyctl key list\n  keyctl key list -o json | jq -r '.Keys[] | select(.Enabled) | .Arn'",
		Args:    cobra.NoArgs,
		RunE:    c.run(func(ctx context.Context, _ []string) error { return c.keyList(ctx) }),
	}
}

// keyListDoc is the JSON of key list.
type keyListDoc struct{ Keys []keyDoc }

func (c *cli) keyList(ctx context.Context) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	keys, err := cl.keys(ctx)
	if err != nil {
		return err
	}
	t := term.NewTable("KEY", "ALIASES", "SPEC", "STATE", "CREATED", "DESCRIPTION")
	for _, k := range keys {
		t.Row(k.KeyID, orDash(strings.Join(k.Aliases, " ")), string(k.KeySpec), string(k.KeyState), when(k.CreationDate), k.Description)
	}
	return c.show(keyListDoc{notNull(keys)}, t)
}

// keys returns all keys, oldest first. Of a key that the caller may list but
// not describe, only the names are known.
func (cl *client) keys(ctx context.Context) ([]keyDoc, error) {
	aliases, err := cl.aliases(ctx, nil)
	if err != nil && !denied(err) {
		return nil, err
	}
	var entries []types.KeyListEntry
	for pages := kms.NewListKeysPaginator(cl.kms, &kms.ListKeysInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		entries = append(entries, page.Keys...)
	}
	found := make([]*types.KeyMetadata, len(entries))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(describers)
	for i, entry := range entries {
		g.Go(func() (err error) {
			found[i], err = cl.metadata(gctx, entry)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return keyDocs(found, aliases), nil
}

// metadata describes one listed key: nil if it is gone meanwhile.
func (cl *client) metadata(ctx context.Context, entry types.KeyListEntry) (*types.KeyMetadata, error) {
	out, err := cl.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: entry.KeyArn})
	switch {
	case err == nil:
		return out.KeyMetadata, nil
	case notFound(err):
		return nil, nil
	case denied(err):
		return &types.KeyMetadata{KeyId: entry.KeyId, Arn: entry.KeyArn}, nil
	}
	return nil, err
}

func keyDocs(found []*types.KeyMetadata, aliases []types.AliasListEntry) []keyDoc {
	names := map[string][]string{}
	for _, alias := range aliases {
		id := aws.ToString(alias.TargetKeyId)
		names[id] = append(names[id], aws.ToString(alias.AliasName))
	}
	var keys []keyDoc
	for _, m := range found {
		if m != nil {
			keys = append(keys, newKeyDoc(m, names[aws.ToString(m.KeyId)]))
		}
	}
	slices.SortStableFunc(keys, func(a, b keyDoc) int { return a.CreationDate.Compare(b.CreationDate) })
	return keys
}
