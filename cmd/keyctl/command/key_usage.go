package command

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

func newKeyUsage(c *cli) *cobra.Command {
	return c.onKey(&cobra.Command{
		Use:   "usage KEY",
		Short: "When a key was last used, and for what",
		Long: `When a key was last used with success, for what, and since when that is recorded.
See it before a key is disabled or deleted.`,
		Example: "  keyctl key usage alias/old",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, cl *client, arn string, _ []string) error { return c.keyUsage(ctx, cl, arn) })
}

// usageDoc is the JSON of key usage. KeyLastUsage is null for a key that was not
// used since TrackingStartDate.
type usageDoc struct {
	KeyID             string `json:"KeyId"`
	KeyLastUsage      *lastUseDoc
	TrackingStartDate time.Time
	KeyCreationDate   time.Time
}

type lastUseDoc struct {
	Operation         types.KeyLastUsageTrackingOperation
	Timestamp         time.Time
	CloudTrailEventID string `json:"CloudTrailEventId,omitempty"`
	KMSRequestID      string `json:"KmsRequestId,omitempty"`
}

// String is "2026-01-02 03:04:05Z (Decrypt)".
func (u *lastUseDoc) String() string {
	if u == nil {
		return "never"
	}
	return when(u.Timestamp) + " (" + string(u.Operation) + ")"
}

// lastUse asks for the last use of a key by id or ARN.
func (cl *client) lastUse(ctx context.Context, arn string) (usageDoc, error) {
	out, err := cl.kms.GetKeyLastUsage(ctx, &kms.GetKeyLastUsageInput{KeyId: &arn})
	if err != nil {
		return usageDoc{}, err
	}
	doc := usageDoc{
		KeyID: aws.ToString(out.KeyId), TrackingStartDate: aws.ToTime(out.TrackingStartDate).UTC(),
		KeyCreationDate: aws.ToTime(out.KeyCreationDate).UTC(),
	}
	// AWS answers an empty object for a key that was not used.
	if u := out.KeyLastUsage; u != nil && u.Timestamp != nil {
		doc.KeyLastUsage = &lastUseDoc{u.Operation, u.Timestamp.UTC(), aws.ToString(u.CloudTrailEventId), aws.ToString(u.KmsRequestId)}
	}
	return doc, nil
}

func (c *cli) keyUsage(ctx context.Context, cl *client, arn string) error {
	doc, err := cl.lastUse(ctx, arn)
	if err != nil {
		return err
	}
	t := term.NewTable()
	t.Row("key", doc.KeyID)
	t.Row("last used", doc.KeyLastUsage.String())
	if doc.KeyLastUsage != nil {
		t.Row("event", orDash(doc.KeyLastUsage.CloudTrailEventID))
	}
	t.Row("recorded since", when(doc.TrackingStartDate))
	t.Row("created", when(doc.KeyCreationDate))
	return c.show(doc, t)
}
