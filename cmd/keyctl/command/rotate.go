package command

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

func newRotate(c *cli) *cobra.Command {
	cmd := parent("rotate", "Give keys new material, now or every so often",
		newRotateEnable(c), newRotateDisable(c), newRotateStatus(c), newRotateNow(c), newRotateList(c))
	cmd.Long = `Give keys new material, now or every so often. A key keeps its id, names and
policy; what the old material encrypted still decrypts.`
	return cmd
}

func newRotateEnable(c *cli) *cobra.Command {
	var period span
	cmd := &cobra.Command{
		Use:     "enable KEY",
		Short:   "Rotate a key every so often: once a year, or as --period says",
		Example: "  keyctl rotate enable alias/app\n  keyctl rotate enable alias/app --period 90d",
		Args:    cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			return c.rotateEnable(ctx, args[0], time.Duration(period))
		}),
	}
	cmd.Flags().Var(&period, "period", "`TIME` from one rotation to the next, 90 to 2560 days (default 365d)")
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

// The periods that KMS takes, in days.
const minPeriod, maxPeriod = 90, 2560

func (c *cli) rotateEnable(ctx context.Context, key string, period time.Duration) error {
	var days *int32
	say := "is rotated once a year"
	if period != 0 {
		if period%day != 0 || period < minPeriod*day || period > maxPeriod*day {
			return usagef("for example 90d or 52w", "--period: must be 90 to 2560 days")
		}
		days = aws.Int32(int32(period / day))
		say = fmt.Sprintf("is rotated every %d days", *days)
	}
	return c.change(ctx, key, func(cl *client, arn *string) error {
		_, err := cl.kms.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: arn, RotationPeriodInDays: days})
		return err
	}, say)
}

func newRotateDisable(c *cli) *cobra.Command {
	return c.changeKey(&cobra.Command{
		Use:     "disable KEY",
		Short:   "No longer rotate a key by itself",
		Example: "  keyctl rotate disable alias/app",
	}, func(ctx context.Context, cl *client, arn *string) error {
		_, err := cl.kms.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: arn})
		return err
	}, "no longer rotated by itself")
}

func newRotateNow(c *cli) *cobra.Command {
	return c.changeKey(&cobra.Command{
		Use:     "now KEY",
		Short:   "Rotate a key now",
		Long:    "Rotate a key now, to material that the token makes, or that was imported with\nkeyctl key import --new. A key can be rotated so 25 times.",
		Example: "  keyctl rotate now alias/app",
	}, func(ctx context.Context, cl *client, arn *string) error {
		_, err := cl.kms.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: arn})
		return err
	}, "rotated")
}

func newRotateStatus(c *cli) *cobra.Command {
	return c.onKey(&cobra.Command{
		Use:     "status KEY",
		Short:   "Whether, how often and when next a key is rotated",
		Example: "  keyctl rotate status alias/app",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, cl *client, arn string, _ []string) error {
		return c.rotateStatus(ctx, cl, arn)
	})
}

// rotationDoc is the JSON of rotate status.
type rotationDoc struct {
	KeyID                     string `json:"KeyId"`
	KeyRotationEnabled        bool
	RotationPeriodInDays      int32      `json:",omitempty"`
	NextRotationDate          *time.Time `json:",omitempty"`
	OnDemandRotationStartDate *time.Time `json:",omitempty"`
}

func (c *cli) rotateStatus(ctx context.Context, cl *client, arn string) error {
	out, err := cl.kms.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &arn})
	if err != nil {
		return err
	}
	doc := rotationDoc{arn, out.KeyRotationEnabled, aws.ToInt32(out.RotationPeriodInDays), out.NextRotationDate, out.OnDemandRotationStartDate}
	t := term.NewTable()
	t.Row("key", doc.KeyID)
	if doc.KeyRotationEnabled {
		t.Row("rotation", fmt.Sprintf("every %d days", doc.RotationPeriodInDays))
		t.Row("next", when(aws.ToTime(doc.NextRotationDate)))
	} else {
		t.Row("rotation", "off")
	}
	if doc.OnDemandRotationStartDate != nil {
		t.Row("in progress since", when(*doc.OnDemandRotationStartDate))
	}
	return c.show(doc, t)
}

func newRotateList(c *cli) *cobra.Command {
	var materials bool
	cmd := c.onKey(&cobra.Command{
		Use:     "list KEY",
		Short:   "Every rotation of a key, or with --all every material it has",
		Example: "  keyctl rotate list alias/app\n  keyctl rotate list alias/mine --all",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, cl *client, arn string, _ []string) error {
		return c.rotateList(ctx, cl, arn, materials)
	})
	cmd.Flags().BoolVar(&materials, "all", false, "all key material: the first, and what is imported but not rotated to, as well")
	return cmd
}

// rotationListDoc is the JSON of rotate list.
type rotationListDoc struct {
	KeyID     string `json:"KeyId"`
	Rotations []rotatedDoc
}

type rotatedDoc struct {
	KeyMaterialID          string                    `json:"KeyMaterialId,omitempty"`
	KeyMaterialDescription string                    `json:",omitempty"`
	KeyMaterialState       types.KeyMaterialState    `json:",omitempty"`
	ImportState            types.ImportState         `json:",omitempty"`
	ExpirationModel        types.ExpirationModelType `json:",omitempty"`
	ValidTo                *time.Time                `json:",omitempty"`
	RotationDate           *time.Time                `json:",omitempty"`
	RotationType           types.RotationType        `json:",omitempty"`
}

func (c *cli) rotateList(ctx context.Context, cl *client, arn string, materials bool) error {
	in := &kms.ListKeyRotationsInput{KeyId: &arn}
	if materials {
		in.IncludeKeyMaterial = types.IncludeKeyMaterialAllKeyMaterial
	}
	found, err := all(ctx, kms.NewListKeyRotationsPaginator(cl.kms, in), func(o *kms.ListKeyRotationsOutput) []types.RotationsListEntry { return o.Rotations })
	if err != nil {
		return err
	}
	doc := rotationListDoc{arn, []rotatedDoc{}}
	t := term.NewTable("ROTATED", "HOW", "MATERIAL", "STATE", "IMPORT", "EXPIRES", "DESCRIPTION")
	for _, r := range found {
		d := rotatedDoc{aws.ToString(r.KeyMaterialId), aws.ToString(r.KeyMaterialDescription), r.KeyMaterialState, r.ImportState,
			r.ExpirationModel, r.ValidTo, r.RotationDate, r.RotationType}
		doc.Rotations = append(doc.Rotations, d)
		t.Row(when(aws.ToTime(d.RotationDate)), orDash(string(d.RotationType)), orDash(d.KeyMaterialID), orDash(string(d.KeyMaterialState)),
			orDash(string(d.ImportState)), when(aws.ToTime(d.ValidTo)), d.KeyMaterialDescription)
	}
	return c.show(doc, t)
}
