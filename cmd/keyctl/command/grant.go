package command

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

func newGrant(c *cli) *cobra.Command {
	cmd := parent("grant", "Let others use a key, without its policy",
		newGrantCreate(c), newGrantList(c), newGrantRetirable(c), newGrantRevoke(c), newGrantRetire(c))
	cmd.Long = `Let others use a key, without a change to its policy. A grant names who may do
what with one key, takes effect at once, and ends when it is revoked or retired.

WHO is an ARN, or user/NAME or role/NAME of your account.`
	return cmd
}

// grantDoc is the JSON of a grant, as KMS answers it.
type grantDoc struct {
	GrantID           string `json:"GrantId"`
	KeyID             string `json:"KeyId"`
	Name              string `json:",omitempty"`
	GranteePrincipal  string
	RetiringPrincipal string `json:",omitempty"`
	IssuingAccount    string
	Operations        []types.GrantOperation
	Constraints       *constraintsDoc `json:",omitempty"`
	CreationDate      time.Time
}

// constraintsDoc is what the encryption context of a call must be or hold.
type constraintsDoc struct {
	EncryptionContextEquals map[string]string `json:",omitempty"`
	EncryptionContextSubset map[string]string `json:",omitempty"`
}

// grantListDoc is the JSON of grant list and retirable.
type grantListDoc struct{ Grants []grantDoc }

func newGrantDoc(g types.GrantListEntry) grantDoc {
	doc := grantDoc{
		GrantID: aws.ToString(g.GrantId), KeyID: aws.ToString(g.KeyId), Name: aws.ToString(g.Name),
		GranteePrincipal: aws.ToString(g.GranteePrincipal), RetiringPrincipal: aws.ToString(g.RetiringPrincipal),
		IssuingAccount: aws.ToString(g.IssuingAccount), Operations: notNull(g.Operations), CreationDate: aws.ToTime(g.CreationDate).UTC(),
	}
	if k := g.Constraints; k != nil {
		doc.Constraints = &constraintsDoc{k.EncryptionContextEquals, k.EncryptionContextSubset}
	}
	return doc
}

// String is "tenant=7" for a context that must be just that, "tenant=7 …" for
// one that must hold it.
func (k *constraintsDoc) String() string {
	if k == nil {
		return "-"
	}
	var parts []string
	if k.EncryptionContextEquals != nil {
		parts = append(parts, pairText(k.EncryptionContextEquals))
	}
	if k.EncryptionContextSubset != nil {
		parts = append(parts, pairText(k.EncryptionContextSubset)+" …")
	}
	return orDash(strings.Join(parts, " and "))
}

// showGrants ends a verb that found grants.
func (c *cli) showGrants(grants []types.GrantListEntry) error {
	doc := grantListDoc{Grants: []grantDoc{}}
	t := term.NewTable("GRANT", "KEY", "GRANTEE", "OPERATIONS", "CONTEXT", "NAME", "CREATED")
	for _, g := range grants {
		d := newGrantDoc(g)
		doc.Grants = append(doc.Grants, d)
		_, id, _ := strings.Cut(d.KeyID, ":key/")
		if id == "" {
			id = d.KeyID
		}
		t.Row(d.GrantID, id, d.GranteePrincipal, join(d.Operations, " "), d.Constraints.String(), orDash(d.Name), when(d.CreationDate))
	}
	return c.show(doc, t)
}

func newGrantList(c *cli) *cobra.Command {
	var grantee, id string
	cmd := c.onKey(&cobra.Command{
		Use:     "list KEY",
		Short:   "Every grant of a key",
		Example: "  keyctl grant list alias/app\n  keyctl grant list alias/app --grantee role/worker",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, cl *client, arn string, _ []string) error {
		return c.grantList(ctx, cl, arn, grantee, id)
	})
	cmd.Flags().StringVar(&grantee, "grantee", "", "only grants to `WHO`")
	cmd.Flags().StringVar(&id, "id", "", "only the grant with this `ID`")
	return cmd
}

func (c *cli) grantList(ctx context.Context, cl *client, arn, grantee, id string) error {
	principal, err := cl.optionalPrincipal(ctx, grantee, "--grantee")
	if err != nil {
		return err
	}
	grants, err := cl.grants(ctx, &kms.ListGrantsInput{KeyId: &arn, GranteePrincipal: principal, GrantId: optional(id)})
	if err != nil {
		return err
	}
	return c.showGrants(grants)
}

// grants reads every page.
func (cl *client) grants(ctx context.Context, in *kms.ListGrantsInput) ([]types.GrantListEntry, error) {
	return all(ctx, kms.NewListGrantsPaginator(cl.kms, in), func(o *kms.ListGrantsOutput) []types.GrantListEntry { return o.Grants })
}

func newGrantRetirable(c *cli) *cobra.Command {
	var who string
	cmd := &cobra.Command{
		Use:     "retirable",
		Short:   "Every grant that somebody may retire",
		Example: "  keyctl grant retirable\n  keyctl grant retirable --principal role/worker",
		Args:    cobra.NoArgs,
		RunE:    c.connected(func(ctx context.Context, cl *client, _ []string) error { return c.grantRetirable(ctx, cl, who) }),
	}
	cmd.Flags().StringVar(&who, "principal", "", "`WHO` the grants name as retiring (default: you)")
	return cmd
}

func (c *cli) grantRetirable(ctx context.Context, cl *client, who string) error {
	principal, err := cl.optionalPrincipal(ctx, who, "--principal")
	if err != nil {
		return err
	}
	if principal == nil {
		me, err := cl.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return err
		}
		principal = me.Arn
	}
	grants, err := all(ctx, kms.NewListRetirableGrantsPaginator(cl.kms, &kms.ListRetirableGrantsInput{RetiringPrincipal: principal}),
		func(o *kms.ListRetirableGrantsOutput) []types.GrantListEntry { return o.Grants })
	if err != nil {
		return err
	}
	return c.showGrants(grants)
}

// optionalPrincipal completes user/NAME and role/NAME with the caller's account;
// nil if the flag was not given.
func (cl *client) optionalPrincipal(ctx context.Context, who, flag string) (*string, error) {
	if who == "" || strings.HasPrefix(who, "arn:") {
		return optional(who), nil
	}
	kind, _, ok := strings.Cut(who, "/")
	if !ok || !slices.Contains([]string{"user", "role"}, kind) {
		return nil, usagef("", "%s %s: must be an ARN, user/NAME or role/NAME", flag, who)
	}
	account, err := cl.account(ctx)
	arn := "arn:aws:iam::" + account + ":" + who
	return &arn, err
}
