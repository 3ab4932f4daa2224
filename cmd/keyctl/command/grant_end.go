package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

type grantRevokeOptions struct {
	key, grant string
	confirmation
}

func newGrantRevoke(c *cli) *cobra.Command {
	o := &grantRevokeOptions{}
	cmd := &cobra.Command{
		Use:   "revoke KEY GRANT",
		Short: "End a grant, at once",
		Long: `End a grant. When this command returns, nobody has anything from it.

On a terminal it asks for the grant's name or the first characters of its id;
elsewhere --yes is needed.`,
		Example: "  keyctl grant list alias/app\n  keyctl grant revoke alias/app 0c237476b39f8bc44e45212e08498fbe3151305030726c0590dd8d3e9f3d6a60",
		Args:    cobra.ExactArgs(2),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.key, o.grant = args[0], args[1]
			return c.grantRevoke(ctx, *o)
		}),
	}
	o.confirmation.flag(cmd)
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

// grantEndDoc is the JSON of grant revoke and retire.
type grantEndDoc struct {
	KeyID   string `json:"KeyId,omitempty"`
	GrantID string `json:"GrantId,omitempty"`
}

func (c *cli) grantRevoke(ctx context.Context, o grantRevokeOptions) error {
	if err := o.possible(c, "grant "+o.grant, "its end"); err != nil {
		return err
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	arn, err := cl.resolve(ctx, o.key)
	if err != nil {
		return err
	}
	if !o.yes {
		if err := c.confirmGrant(ctx, cl, arn, o.grant); err != nil {
			return err
		}
	}
	if _, err := cl.kms.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &arn, GrantId: &o.grant}); err != nil {
		return err
	}
	return c.done(grantEndDoc{arn, o.grant}, "%s: grant %s is revoked", arn, o.grant)
}

// confirmGrant shows a grant and asks for a name of it.
func (c *cli) confirmGrant(ctx context.Context, cl *client, arn, id string) error {
	found, err := cl.grants(ctx, &kms.ListGrantsInput{KeyId: &arn, GrantId: &id})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return failf(exitNotFound, "keyctl grant list shows them", "grant %s: not found", id)
	}
	g := newGrantDoc(found[0])
	names := []string{g.GrantID[:min(confirmLength, len(g.GrantID))]}
	if g.Name != "" {
		names = append(names, g.Name)
	}
	return c.ask(question{"This ends a grant. Programs that live by it stop working at once.", g.table(), names, []string{g.GrantID}, "grant"})
}

func (g grantDoc) table() *term.Table {
	t := term.NewTable()
	t.Row("grant", g.GrantID)
	t.Row("name", orDash(g.Name))
	t.Row("key", g.KeyID)
	t.Row("grantee", g.GranteePrincipal)
	t.Row("operations", join(g.Operations, " "))
	t.Row("context", g.Constraints.String())
	t.Row("created", when(g.CreationDate))
	return t
}

type grantRetireOptions struct{ token, key, grant string }

func newGrantRetire(c *cli) *cobra.Command {
	o := &grantRetireOptions{}
	cmd := &cobra.Command{
		Use:   "retire [KEY GRANT]",
		Short: "End a grant that you no longer need",
		Long: `End a grant that you no longer need: by its key and id, or by its token. This is
for who the grant names as retiring; others end it with keyctl grant revoke.`,
		Example: "  keyctl grant retire alias/app 0c237476b39f8bc44e45212e08498fbe3151305030726c0590dd8d3e9f3d6a60\n  keyctl grant retire --token AQpAM2RhZ…",
		Args:    cobra.MaximumNArgs(2),
		RunE: c.run(func(ctx context.Context, args []string) error {
			if (o.token == "") != (len(args) == 2) || (o.token != "" && len(args) > 0) {
				return usagef("keyctl grant retire KEY GRANT, or keyctl grant retire --token TOKEN", "a grant is named by its key and id, or by its token")
			}
			if len(args) == 2 {
				o.key, o.grant = args[0], args[1]
			}
			return c.grantRetire(ctx, *o)
		}),
	}
	cmd.Flags().StringVar(&o.token, "token", "", "the `TOKEN` that grant create printed")
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

func (c *cli) grantRetire(ctx context.Context, o grantRetireOptions) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	in := &kms.RetireGrantInput{GrantToken: optional(o.token)}
	doc := grantEndDoc{GrantID: o.grant}
	if o.key != "" {
		if doc.KeyID, err = cl.resolve(ctx, o.key); err != nil {
			return err
		}
		in.KeyId, in.GrantId = &doc.KeyID, &o.grant
	}
	if _, err := cl.kms.RetireGrant(ctx, in); err != nil {
		return err
	}
	return c.done(doc, "the grant is retired")
}
