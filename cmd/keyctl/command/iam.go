package command

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"
)

// connected makes a cobra function of a verb that starts by speaking to keyd.
func (c *cli) connected(verb func(ctx context.Context, cl *client, args []string) error) func(*cobra.Command, []string) error {
	return c.run(func(ctx context.Context, args []string) error {
		cl, err := c.connect(ctx)
		if err != nil {
			return err
		}
		return verb(ctx, cl, args)
	})
}

// parent is a command that only holds others.
func parent(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: group}
	cmd.AddCommand(verbs...)
	return cmd
}

// pager is one of the SDK's paginators; C is the options of its service.
type pager[O, C any] interface {
	HasMorePages() bool
	NextPage(ctx context.Context, options ...func(*C)) (O, error)
}

// all reads every page and returns what items finds on them.
func all[O, T, C any](ctx context.Context, pages pager[O, C], items func(O) []T) ([]T, error) {
	found := []T{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		found = append(found, items(page)...)
	}
	return found, nil
}

// noEntity reports whether IAM answered that there is no such thing.
func noEntity(err error) bool {
	_, ok := errors.AsType[*types.NoSuchEntityException](err)
	return ok
}

// account returns the caller's account: its entities have it in their ARNs.
func (cl *client) account(ctx context.Context) (string, error) {
	out, err := cl.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Account), nil
}

// roleARN returns the ARN of a role given by name (with its path, if it has
// one) or ARN.
func (cl *client) roleARN(ctx context.Context, role string) (string, error) {
	if strings.HasPrefix(role, "arn:") {
		return role, nil
	}
	account, err := cl.account(ctx)
	if err != nil {
		return "", err
	}
	return "arn:aws:iam::" + account + ":role/" + strings.TrimPrefix(role, "/"), nil
}

// iamTags is tags as IAM takes them, by name.
func iamTags(p pairs) []types.Tag {
	var tags []types.Tag
	for key, value := range p {
		tags = append(tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	slices.SortFunc(tags, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return tags
}

// tagDoc is the JSON of a tag.
type tagDoc struct{ Key, Value string }

func tagDocs(tags []types.Tag) []tagDoc {
	docs := []tagDoc{}
	for _, t := range tags {
		docs = append(docs, tagDoc{aws.ToString(t.Key), aws.ToString(t.Value)})
	}
	return docs
}

func tagText(tags []tagDoc) string {
	var words []string
	for _, t := range tags {
		words = append(words, t.Key+"="+t.Value)
	}
	return orDash(strings.Join(words, " "))
}

// document decodes a policy as IAM answers it: percent-encoded.
func document(encoded *string) (string, error) {
	text, err := url.QueryUnescape(strings.ReplaceAll(aws.ToString(encoded), "+", "%2B"))
	if err != nil {
		return "", failf(exitUnavailable, stranger.hint, "policy in the answer: %w", err)
	}
	return text, nil
}

// optional is nil for a flag that was not given.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// boundaryOf is the ARN of a boundary, or "".
func boundaryOf(b *types.AttachedPermissionsBoundary) string {
	if b == nil {
		return ""
	}
	return aws.ToString(b.PermissionsBoundaryArn)
}
