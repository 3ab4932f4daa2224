package command

import (
	"context"
	"fmt"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

// revokePolicy is the name that AWS's console gives the policy.
const revokePolicy = "AWSRevokeOlderSessions"

type sessionRevokeOptions struct {
	holder holder
	confirmation
}

func newSessionRevoke(c *cli) *cobra.Command {
	o := &sessionRevokeOptions{}
	cmd := &cobra.Command{
		Use:   "revoke --role NAME | --user NAME",
		Short: "End every session of a role or user that was made before now",
		Long: `End every session of a role or user that was made before now, at once: they are
denied everything by an inline policy of the name ` + revokePolicy + `,
as AWS's console writes it. New sessions work, and a user's access keys too.

On a terminal it asks for the name; elsewhere --yes is needed. What it did can be
undone: keyctl policy delete-inline ` + revokePolicy + `.`,
		Example: "  keyctl session revoke --role deploy",
		Args:    cobra.NoArgs,
		RunE:    c.run(func(ctx context.Context, _ []string) error { return c.sessionRevoke(ctx, *o) }),
	}
	cmd.Flags().StringVar(&o.holder.role, "role", "", "the `NAME` of a role")
	cmd.Flags().StringVar(&o.holder.user, "user", "", "the `NAME` of a user")
	cmd.MarkFlagsOneRequired("user", "role")
	cmd.MarkFlagsMutuallyExclusive("user", "role")
	o.confirmation.flag(cmd)
	return cmd
}

// revokedDoc is the JSON of session revoke.
type revokedDoc struct {
	holderDoc
	Before time.Time
}

func (c *cli) sessionRevoke(ctx context.Context, o sessionRevokeOptions) error {
	if err := o.possible(c, o.holder.String(), "the end of its sessions"); err != nil {
		return err
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	if !o.yes {
		facts := term.NewTable()
		facts.Row("sessions of", o.holder.String())
		err := c.ask(question{"This ends every session made before now. Programs that live by one stop at once.",
			facts, []string{o.holder.role + o.holder.user}, nil, "name"})
		if err != nil {
			return err
		}
	}
	before, err := cl.nextSecond(ctx)
	if err != nil {
		return err
	}
	doc := revokedDoc{o.holder.doc(), before}
	doc.PolicyName = revokePolicy
	if err := cl.putInline(ctx, o.holder, revokePolicy, revocation(before)); err != nil {
		return err
	}
	return c.done(doc, "%s: sessions from before %s are ended. To undo: keyctl policy delete-inline %s", o.holder, when(before), revokePolicy)
}

// nextSecond is the end of the present second by keyd's clock, which stamps
// sessions to the second: one of this very second is ended too.
func (cl *client) nextSecond(ctx context.Context) (time.Time, error) {
	out, err := cl.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return time.Time{}, err
	}
	now, ok := awsmiddleware.GetServerTime(out.ResultMetadata)
	if !ok {
		now = time.Now()
	}
	return now.UTC().Truncate(time.Second).Add(time.Second), nil
}

// revocation is the policy. Access keys have no aws:TokenIssueTime, so that the
// condition does not hold for them.
func revocation(before time.Time) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["*"],"Resource":["*"],`+
		`"Condition":{"DateLessThan":{"aws:TokenIssueTime":%q}}}]}`, before.Format(time.RFC3339))
}
