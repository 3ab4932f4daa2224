package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"
)

type accessKeyOptions struct{ id, user string }

// accessKeyVerb is a command on one access key.
func (c *cli) accessKeyVerb(use, short string, verb func(ctx context.Context, cl *client, o accessKeyOptions) error) *cobra.Command {
	o := &accessKeyOptions{}
	cmd := &cobra.Command{
		Use:     use + " ID",
		Short:   short,
		Example: "  keyctl access-key " + use + " AKIAIOSFODNN7EXAMPLE --user alice",
		Args:    cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			o.id = args[0]
			return verb(ctx, cl, *o)
		}),
	}
	cmd.Flags().StringVar(&o.user, "user", "", "whose key it is (default: keyd is asked)")
	return cmd
}

func newAccessKeyEnable(c *cli) *cobra.Command {
	return c.accessKeyVerb("enable", "Let an access key work again", func(ctx context.Context, cl *client, o accessKeyOptions) error {
		return c.accessKeyStatus(ctx, cl, o, types.StatusTypeActive)
	})
}

func newAccessKeyDisable(c *cli) *cobra.Command {
	return c.accessKeyVerb("disable", "Stop an access key, at once", func(ctx context.Context, cl *client, o accessKeyOptions) error {
		return c.accessKeyStatus(ctx, cl, o, types.StatusTypeInactive)
	})
}

func newAccessKeyDelete(c *cli) *cobra.Command {
	return c.accessKeyVerb("delete", "Remove an access key for good", func(ctx context.Context, cl *client, o accessKeyOptions) error {
		user, err := cl.ownerOf(ctx, o)
		if err != nil {
			return err
		}
		if _, err := cl.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: user, AccessKeyId: &o.id}); err != nil {
			return err
		}
		return c.done(nameDoc{UserName: aws.ToString(user), AccessKeyID: o.id}, "access key %s: deleted", o.id)
	})
}

// accessKeyStatusDoc is the JSON of access-key enable and disable.
type accessKeyStatusDoc struct {
	UserName    string `json:",omitempty"`
	AccessKeyID string `json:"AccessKeyId"`
	Status      types.StatusType
}

func (c *cli) accessKeyStatus(ctx context.Context, cl *client, o accessKeyOptions, status types.StatusType) error {
	user, err := cl.ownerOf(ctx, o)
	if err != nil {
		return err
	}
	if _, err := cl.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: user, AccessKeyId: &o.id, Status: status}); err != nil {
		return err
	}
	return c.done(accessKeyStatusDoc{aws.ToString(user), o.id, status}, "access key %s: %s", o.id, status)
}

// ownerOf finds whose key it is: without a name, IAM looks among the caller's
// own keys only. A caller who may not know means their own.
func (cl *client) ownerOf(ctx context.Context, o accessKeyOptions) (*string, error) {
	if o.user != "" {
		return &o.user, nil
	}
	out, err := cl.iam.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &o.id})
	if denied(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return out.UserName, nil
}
