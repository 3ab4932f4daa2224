package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

// secretOnce is what every verb that shows a secret says of it.
const secretOnce = `The secret is on standard output, once: keyd keeps it sealed and never shows it
again. Who loses it makes another key.`

func newAccessKeyCreate(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "create [USER]",
		Short:   "Make an access key for a user, or for yourself",
		Long:    "Make an access key for a user, or for yourself. A user has two at most.\n\n" + secretOnce,
		Example: "  keyctl access-key create alice\n  keyctl access-key create alice -o json > alice.json",
		Args:    cobra.MaximumNArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			doc, err := cl.createAccessKey(ctx, first(args))
			if err != nil {
				return err
			}
			return c.show(doc, doc.table())
		}),
	}
}

func (cl *client) createAccessKey(ctx context.Context, user string) (accessKeyDoc, error) {
	out, err := cl.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: optional(user)})
	if err != nil {
		return accessKeyDoc{}, err
	}
	k := out.AccessKey
	return accessKeyDoc{UserName: aws.ToString(k.UserName), AccessKeyID: aws.ToString(k.AccessKeyId),
		SecretAccessKey: aws.ToString(k.SecretAccessKey), Status: k.Status, CreateDate: aws.ToTime(k.CreateDate).UTC()}, nil
}

func (k accessKeyDoc) table() *term.Table {
	t := term.NewTable()
	t.Row("user", k.UserName)
	t.Row("access key id", k.AccessKeyID)
	t.Row("secret access key", k.SecretAccessKey)
	t.Row("status", string(k.Status))
	return t
}

func newAccessKeyRotate(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate [USER]",
		Short: "Make the key that is to follow a user's present one",
		Long: `Make a new access key for a user, or for yourself, beside the present one, which
works until you disable it; how is said on standard error. Disable it when
everything uses the new one, and delete it when nothing was missed.

` + secretOnce,
		Example: "  keyctl access-key rotate alice",
		Args:    cobra.MaximumNArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			return c.accessKeyRotate(ctx, cl, first(args))
		}),
	}
}

// rotateDoc is the JSON of access-key rotate.
type rotateDoc struct {
	accessKeyDoc
	PreviousAccessKeyIDs []string `json:"PreviousAccessKeyIds"`
}

func (c *cli) accessKeyRotate(ctx context.Context, cl *client, user string) error {
	before, err := cl.listAccessKeys(ctx, user)
	if err != nil {
		return err
	}
	doc := rotateDoc{PreviousAccessKeyIDs: []string{}}
	for _, k := range before {
		doc.PreviousAccessKeyIDs = append(doc.PreviousAccessKeyIDs, aws.ToString(k.AccessKeyId))
	}
	if len(before) > 1 {
		return failf(exitState, "delete the one that is out of use: keyctl access-key delete ID; \"keyctl access-key list\" shows when each was used last",
			"there are two access keys already: %s", strings.Join(doc.PreviousAccessKeyIDs, " "))
	}
	if doc.accessKeyDoc, err = cl.createAccessKey(ctx, user); err != nil {
		return err
	}
	if err := c.show(doc, doc.accessKeyDoc.table()); err != nil {
		return err
	}
	for _, id := range doc.PreviousAccessKeyIDs {
		fmt.Fprintf(c.err, "%s when everything uses the new key: keyctl access-key disable %s --user %s\n",
			term.StyleOf(c.err).Yellow("hint:"), term.Clean(id), term.Clean(doc.UserName))
	}
	return nil
}
