package command

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

func newTag(c *cli) *cobra.Command {
	return parent("tag", "Label keys, for reports and policies", newTagAdd(c), newTagRemove(c), newTagList(c))
}

// keyTagsDoc is the JSON of the verbs of tag: all tags that the key has then.
// KMS says TagKey and TagValue where IAM says Key and Value.
type keyTagsDoc struct {
	KeyID string `json:"KeyId"`
	Tags  []keyTagDoc
}

type keyTagDoc struct{ TagKey, TagValue string }

func newTagAdd(c *cli) *cobra.Command {
	return c.tagVerb(&cobra.Command{
		Use:     "add KEY NAME=VALUE...",
		Short:   "Set tags of a key; those of the same name are replaced",
		Example: "  keyctl tag add alias/app team=payments cost=42",
		Args:    cobra.MinimumNArgs(2),
	}, func(ctx context.Context, cl *client, arn *string, args []string) error {
		var tags pairs
		for _, pair := range args {
			if err := tags.Set(pair); err != nil {
				return usagef("", "tag %q: %w", pair, err)
			}
		}
		_, err := cl.kms.TagResource(ctx, &kms.TagResourceInput{KeyId: arn, Tags: kmsTags(tags)})
		return err
	})
}

func newTagRemove(c *cli) *cobra.Command {
	return c.tagVerb(&cobra.Command{
		Use:     "remove KEY NAME...",
		Short:   "Remove tags of a key",
		Example: "  keyctl tag remove alias/app cost",
		Args:    cobra.MinimumNArgs(2),
	}, func(ctx context.Context, cl *client, arn *string, args []string) error {
		_, err := cl.kms.UntagResource(ctx, &kms.UntagResourceInput{KeyId: arn, TagKeys: args})
		return err
	})
}

func newTagList(c *cli) *cobra.Command {
	return c.tagVerb(&cobra.Command{
		Use:     "list KEY",
		Short:   "The tags of a key",
		Example: "  keyctl tag list alias/app",
		Args:    cobra.ExactArgs(1),
	}, nil)
}

// tagVerb completes a verb that may change a key's tags, by do, and shows them.
func (c *cli) tagVerb(cmd *cobra.Command, do func(ctx context.Context, cl *client, arn *string, args []string) error) *cobra.Command {
	return c.onKey(cmd, func(ctx context.Context, cl *client, arn string, args []string) error {
		if do != nil {
			if err := do(ctx, cl, &arn, args); err != nil {
				return err
			}
		}
		return c.showTags(ctx, cl, arn, do != nil)
	})
}

// showTags shows all tags of a key. After a change, that they may not be listed
// is no failure.
func (c *cli) showTags(ctx context.Context, cl *client, arn string, changed bool) error {
	tags, err := all(ctx, kms.NewListResourceTagsPaginator(cl.kms, &kms.ListResourceTagsInput{KeyId: &arn}),
		func(o *kms.ListResourceTagsOutput) []types.Tag { return o.Tags })
	doc := keyTagsDoc{arn, []keyTagDoc{}}
	if changed && denied(err) {
		return c.done(doc, "%s: tags changed", arn)
	}
	if err != nil {
		return err
	}
	shown := pairs{}
	for _, t := range tags {
		doc.Tags = append(doc.Tags, keyTagDoc{aws.ToString(t.TagKey), aws.ToString(t.TagValue)})
		shown[aws.ToString(t.TagKey)] = aws.ToString(t.TagValue)
	}
	return c.done(doc, "%s", pairText(shown))
}

// kmsTags is tags as KMS takes them, by name.
func kmsTags(p pairs) []types.Tag {
	var tags []types.Tag
	for _, name := range slices.Sorted(maps.Keys(p)) {
		tags = append(tags, types.Tag{TagKey: aws.String(name), TagValue: aws.String(p[name])})
	}
	return tags
}

// pairText is pairs for people, by name.
func pairText(p map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		words = append(words, name+"="+p[name])
	}
	return orDash(strings.Join(words, " "))
}
