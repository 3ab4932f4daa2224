package command

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

func newKey(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make, see and retire keys",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(newKeyCreate(c), newKeyList(c), newKeyDescribe(c), newKeyEnable(c), newKeyDisable(c),
		newKeyDelete(c), newKeyCancelDeletion(c), newKeyUpdate(c), newKeyPolicy(c), newKeyUsage(c), newKeyImport(c), newKeyPrimary(c))
	return cmd
}

// notNull keeps a promise of the JSON: an empty list is [].
func notNull[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// describe returns a key by any of its names, with its aliases and last use if
// the caller may see them.
func (cl *client) describe(ctx context.Context, key string) (keyDoc, error) {
	out, err := cl.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
	if err != nil {
		return keyDoc{}, err
	}
	aliases, err := cl.aliasesOf(ctx, out.KeyMetadata.Arn)
	if err != nil && !denied(err) {
		return keyDoc{}, err
	}
	doc := newKeyDoc(out.KeyMetadata, aliases)
	// It is extra: what cannot be read is left out.
	if used, err := cl.lastUse(ctx, doc.ARN); err == nil {
		doc.KeyLastUsage = used.KeyLastUsage
	}
	return doc, nil
}

// aliasesOf returns the names of a key's aliases, sorted.
func (cl *client) aliasesOf(ctx context.Context, arn *string) ([]string, error) {
	entries, err := cl.aliases(ctx, arn)
	var names []string
	for _, entry := range entries {
		names = append(names, aws.ToString(entry.AliasName))
	}
	slices.Sort(names)
	return names, err
}

// resolve returns the ARN of a key for operations that take no alias. If the
// caller may not describe keys, a key id or ARN is taken as it is.
func (cl *client) resolve(ctx context.Context, key string) (string, error) {
	out, err := cl.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
	if denied(err) && !strings.HasPrefix(key, aliasPrefix) && !strings.Contains(key, ":"+aliasPrefix) {
		return key, nil
	}
	if err != nil {
		return "", err
	}
	return aws.ToString(out.KeyMetadata.Arn), nil
}

// denied reports whether the service answered that the caller may not.
func denied(err error) bool {
	return err != nil && explain(err).exit == exitRefused
}

// notFound reports whether the service answered that there is no such thing.
func notFound(err error) bool {
	_, ok := errors.AsType[*types.NotFoundException](err)
	return ok
}

// onKey completes a verb whose first argument is a key, by any of its names: it
// is run with the key's ARN and the other arguments.
func (c *cli) onKey(cmd *cobra.Command, verb func(ctx context.Context, cl *client, arn string, args []string) error) *cobra.Command {
	cmd.RunE = c.connected(func(ctx context.Context, cl *client, args []string) error {
		arn, err := cl.resolve(ctx, args[0])
		if err != nil {
			return err
		}
		return verb(ctx, cl, arn, args[1:])
	})
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

// changeKey completes a verb that changes the key it is given, and says so.
func (c *cli) changeKey(cmd *cobra.Command, do func(ctx context.Context, cl *client, arn *string) error, say string) *cobra.Command {
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = c.run(func(ctx context.Context, args []string) error {
		return c.change(ctx, args[0], func(cl *client, arn *string) error { return do(ctx, cl, arn) }, say)
	})
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

// stateDoc is the JSON of a verb that changes a key.
type stateDoc struct {
	KeyID    string         `json:"KeyId"`
	KeyState types.KeyState `json:",omitempty"`
}

// change runs one operation on one key and shows the key's state after it.
func (c *cli) change(ctx context.Context, key string, do func(cl *client, arn *string) error, say string) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	arn, err := cl.resolve(ctx, key)
	if err != nil {
		return err
	}
	if err := do(cl, &arn); err != nil {
		return err
	}
	doc := stateDoc{KeyID: arn}
	// The change is done: if its outcome cannot be read, that is no failure.
	if out, err := cl.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &arn}); err == nil {
		doc.KeyState = out.KeyMetadata.KeyState
	}
	return c.done(doc, "%s: %s", arn, say)
}
