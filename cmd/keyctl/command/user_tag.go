package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"
)

type userTagOptions struct {
	name   string
	set    pairs
	remove []string
}

func newUserTag(c *cli) *cobra.Command {
	o := &userTagOptions{}
	cmd := &cobra.Command{
		Use:     "tag NAME [KEY=VALUE...]",
		Short:   "Set and remove a user's tags, and show them",
		Example: "  keyctl user tag alice team=payments cost=42\n  keyctl user tag alice --remove cost",
		Args:    cobra.MinimumNArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.name = args[0]
			for _, pair := range args[1:] {
				if err := o.set.Set(pair); err != nil {
					return usagef("", "tag %q: %w", pair, err)
				}
			}
			return c.userTag(ctx, *o)
		}),
	}
	cmd.Flags().StringArrayVar(&o.remove, "remove", nil, "remove the tag `KEY`; may be repeated")
	return cmd
}

// tagsDoc is the JSON of user tag.
type tagsDoc struct {
	UserName string
	Tags     []tagDoc
}

func (c *cli) userTag(ctx context.Context, o userTagOptions) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	if len(o.set) > 0 {
		if _, err := cl.iam.TagUser(ctx, &iam.TagUserInput{UserName: &o.name, Tags: iamTags(o.set)}); err != nil {
			return err
		}
	}
	if len(o.remove) > 0 {
		if _, err := cl.iam.UntagUser(ctx, &iam.UntagUserInput{UserName: &o.name, TagKeys: o.remove}); err != nil {
			return err
		}
	}
	tags, err := all(ctx, iam.NewListUserTagsPaginator(cl.iam, &iam.ListUserTagsInput{UserName: &o.name}),
		func(o *iam.ListUserTagsOutput) []types.Tag { return o.Tags })
	if err != nil {
		return err
	}
	doc := tagsDoc{o.name, tagDocs(tags)}
	return c.done(doc, "%s", tagText(doc.Tags))
}
