package command

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

func newAccessKey(c *cli) *cobra.Command {
	return parent("access-key", "Make, rotate and withdraw access keys",
		newAccessKeyCreate(c), newAccessKeyList(c), newAccessKeyRotate(c),
		newAccessKeyEnable(c), newAccessKeyDisable(c), newAccessKeyDelete(c))
}

// accessKeyDoc is the JSON of an access key. The secret is known at creation only.
type accessKeyDoc struct {
	UserName        string
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string `json:",omitempty"`
	Status          types.StatusType
	CreateDate      time.Time
	LastUsedDate    *time.Time `json:",omitempty"`
}

// lastUsed is a time for people.
func lastUsed(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return when(*t)
}

func (cl *client) listAccessKeys(ctx context.Context, user string) ([]types.AccessKeyMetadata, error) {
	return all(ctx, iam.NewListAccessKeysPaginator(cl.iam, &iam.ListAccessKeysInput{UserName: optional(user)}),
		func(o *iam.ListAccessKeysOutput) []types.AccessKeyMetadata { return o.AccessKeyMetadata })
}

// accessKeys returns a user's access keys (the caller's own, if user is
// empty), with their last use if the caller may know it.
func (cl *client) accessKeys(ctx context.Context, user string) ([]accessKeyDoc, error) {
	keys, err := cl.listAccessKeys(ctx, user)
	if err != nil {
		return nil, err
	}
	docs := []accessKeyDoc{}
	for _, k := range keys {
		doc := accessKeyDoc{UserName: aws.ToString(k.UserName), AccessKeyID: aws.ToString(k.AccessKeyId),
			Status: k.Status, CreateDate: aws.ToTime(k.CreateDate).UTC()}
		use, err := cl.iam.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: k.AccessKeyId})
		if err != nil && !denied(err) {
			return nil, err
		}
		if err == nil && use.AccessKeyLastUsed != nil {
			doc.LastUsedDate = use.AccessKeyLastUsed.LastUsedDate
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

func newAccessKeyList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "list [USER]",
		Short:   "Access keys of a user, or your own",
		Example: "  keyctl access-key list alice",
		Args:    cobra.MaximumNArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			return c.accessKeyList(ctx, cl, first(args))
		}),
	}
}

// first is an argument that may be left out.
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// accessKeyListDoc is the JSON of access-key list.
type accessKeyListDoc struct{ AccessKeyMetadata []accessKeyDoc }

func (c *cli) accessKeyList(ctx context.Context, cl *client, user string) error {
	keys, err := cl.accessKeys(ctx, user)
	if err != nil {
		return err
	}
	t := term.NewTable("ACCESS KEY", "USER", "STATUS", "CREATED", "LAST USED")
	for _, k := range keys {
		t.Row(k.AccessKeyID, k.UserName, string(k.Status), when(k.CreateDate), lastUsed(k.LastUsedDate))
	}
	return c.show(accessKeyListDoc{keys}, t)
}
