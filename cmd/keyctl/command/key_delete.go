package command

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

// confirmLength is how much of a key id confirms it: the first group of a
// UUID, which no two keys of an account share in practice.
const confirmLength = 8

type keyDeleteOptions struct {
	key    string
	window window
	confirmation
}

func newKeyDelete(c *cli) *cobra.Command {
	o := &keyDeleteOptions{window: maxWindow}
	cmd := &cobra.Command{
		Use:   "delete KEY",
		Short: "Schedule the end of a key, 7 to 30 days ahead",
		Long: `Schedule the end of a key. It stops working at once; when the window ends its
material is destroyed, and nothing that it encrypted can ever be read again.
Until then keyctl key cancel-deletion keeps it.

On a terminal it asks for the key's alias or the first characters of its id;
elsewhere --yes is needed.`,
		Example: `  keyctl key disable alias/old        # first see who complains
  keyctl key delete alias/old --pending-window 7d`,
		Args: cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.key = args[0]
			return c.keyDelete(ctx, *o)
		}),
	}
	cmd.Flags().Var(&o.window, "pending-window", "`TIME` until the key is destroyed, 7 to 30 days: 7d, 7 or 2w")
	o.confirmation.flag(cmd)
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

// deleteDoc is the JSON of key delete.
type deleteDoc struct {
	KeyID        string `json:"KeyId"`
	KeyState     types.KeyState
	DeletionDate time.Time
	Window       int32 `json:"PendingWindowInDays"`
}

func (c *cli) keyDelete(ctx context.Context, o keyDeleteOptions) error {
	if err := o.possible(c, "key "+o.key, "deletion"); err != nil {
		return err
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	arn, err := c.confirmKey(ctx, cl, o.key, o.confirmation,
		fmt.Sprintf("This ends a key in %d days. What it encrypted can then never be read again.", o.window))
	if err != nil {
		return err
	}
	out, err := cl.kms.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{
		KeyId: &arn, PendingWindowInDays: aws.Int32(int32(o.window)),
	})
	if err != nil {
		return err
	}
	doc := deleteDoc{aws.ToString(out.KeyId), out.KeyState, aws.ToTime(out.DeletionDate).UTC(), aws.ToInt32(out.PendingWindowInDays)}
	return c.done(doc, "%s: will be destroyed on %s. To keep it: keyctl key cancel-deletion %s",
		doc.KeyID, when(doc.DeletionDate), o.key)
}

// confirmKey asks for a name of exactly this key, unless --yes was given, and
// returns its ARN: an alias that moves meanwhile does not lead to another key.
func (c *cli) confirmKey(ctx context.Context, cl *client, key string, o confirmation, warning string) (string, error) {
	if o.yes {
		return cl.resolve(ctx, key)
	}
	k, err := cl.describe(ctx, key)
	if err != nil {
		return "", err
	}
	return k.ARN, c.ask(question{warning, k.table(), k.confirmations(), []string{k.KeyID, k.ARN}, "key"})
}

// confirmations are the short names of a key, of which one must be typed.
func (k keyDoc) confirmations() []string {
	return append(slices.Clone(k.Aliases), k.KeyID[:min(confirmLength, len(k.KeyID))])
}
