package command

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

func newKey(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make, see and retire keys",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(newKeyCreate(c), newKeyList(c), newKeyDescribe(c), newKeyEnable(c), newKeyDisable(c),
		newKeyDelete(c), newKeyCancelDeletion(c), newKeyUpdate(c), newKeyPolicy(c))
	return cmd
}

// keyDoc is the JSON of a key: KMS's KeyMetadata, and the names of its aliases.
type keyDoc struct {
	KeyID                string `json:"KeyId"`
	ARN                  string `json:"Arn"`
	Account              string `json:"AWSAccountId"`
	Aliases              []string
	Description          string
	Enabled              bool
	KeyState             types.KeyState
	KeySpec              types.KeySpec
	KeyUsage             types.KeyUsageType
	KeyManager           types.KeyManagerType
	Origin               types.OriginType
	MultiRegion          bool
	EncryptionAlgorithms []types.EncryptionAlgorithmSpec
	CreationDate         time.Time
	DeletionDate         *time.Time `json:",omitempty"`
}

func newKeyDoc(m *types.KeyMetadata, aliases []string) keyDoc {
	return keyDoc{
		KeyID: aws.ToString(m.KeyId), ARN: aws.ToString(m.Arn), Account: aws.ToString(m.AWSAccountId),
		Aliases: notNull(aliases), Description: aws.ToString(m.Description), Enabled: m.Enabled,
		KeyState: m.KeyState, KeySpec: m.KeySpec, KeyUsage: m.KeyUsage, KeyManager: m.KeyManager,
		Origin: m.Origin, MultiRegion: aws.ToBool(m.MultiRegion),
		EncryptionAlgorithms: notNull(m.EncryptionAlgorithms),
		CreationDate:         aws.ToTime(m.CreationDate).UTC(), DeletionDate: m.DeletionDate,
	}
}

// notNull keeps a promise of the JSON: an empty list is [].
func notNull[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (k keyDoc) table() *term.Table {
	t := term.NewTable()
	t.Row("key", k.KeyID)
	t.Row("arn", k.ARN)
	t.Row("aliases", orDash(strings.Join(k.Aliases, " ")))
	t.Row("state", string(k.KeyState))
	if k.DeletionDate != nil {
		t.Row("deletion", when(*k.DeletionDate))
	}
	t.Row("spec", string(k.KeySpec))
	t.Row("usage", string(k.KeyUsage))
	t.Row("origin", string(k.Origin))
	t.Row("created", when(k.CreationDate))
	t.Row("description", orDash(k.Description))
	return t
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// describe returns a key by any of its names, with its aliases if the caller
// may list them.
func (cl *client) describe(ctx context.Context, key string) (keyDoc, error) {
	out, err := cl.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
	if err != nil {
		return keyDoc{}, err
	}
	aliases, err := cl.aliasesOf(ctx, out.KeyMetadata.Arn)
	if err != nil && !denied(err) {
		return keyDoc{}, err
	}
	return newKeyDoc(out.KeyMetadata, aliases), nil
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
