package command

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
	mfaclient "github.com/keyd-hsm/keyd/mfa/client"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

func newMFAPending(c *cli) *cobra.Command {
	var user string
	var socket socketOptions
	cmd := &cobra.Command{
		Use:   "pending",
		Short: "Questions that wait for an answer of yours",
		Long: `Questions that wait for an answer of yours. Of a long purpose the beginning is shown,
and several spaces on end as ␣; "keyctl mfa answer" shows all of it, and -o json as it
is.`,
		Example: "  keyctl mfa pending",
		Args:    cobra.NoArgs,
		RunE: c.run(func(ctx context.Context, _ []string) error {
			found, err := socket.client().Pending(ctx, user)
			if err != nil {
				return err
			}
			doc := challengesDoc{[]challengeDoc{}}
			t := term.NewTable("CHALLENGE", "USER", "ASKED BY", "GRANTS", "EXPIRES IN", "PURPOSE")
			for _, ch := range found {
				doc.Challenges = append(doc.Challenges, newChallengeDoc(ch))
				what := "-"
				if ch.Credentials {
					what = "CREDENTIALS"
				}
				t.Row(ch.ID, ch.User, askerText(ch.Asker), what, lasts(ch, time.Now()), shortPurpose(ch.Purpose))
			}
			return c.show(doc, t)
		}),
	}
	cmd.Flags().StringVar(&user, "user", "", "only about this `USER`")
	socket.flags(cmd)
	return cmd
}

// challengesDoc is the JSON of mfa pending.
type challengesDoc struct{ Challenges []challengeDoc }

// pendingIDs completes ids; nothing, silently, if keyd does not answer in time.
func pendingIDs(ctx context.Context, mc *mfaclient.Client) []cobra.Completion {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	found, err := mc.Pending(ctx, "")
	if err != nil {
		return nil
	}
	var ids []cobra.Completion
	for _, ch := range found {
		ids = append(ids, cobra.CompletionWithDesc(ch.ID, term.Clean(ch.User+": "+shortPurpose(ch.Purpose))))
	}
	return ids
}

// pendingOne finds the question by its id or the beginning of it.
func pendingOne(ctx context.Context, mc *mfaclient.Client, id string) (protocol.Challenge, error) {
	found, err := mc.Pending(ctx, "")
	if err != nil {
		return protocol.Challenge{}, err
	}
	var match []protocol.Challenge
	for _, ch := range found {
		if strings.HasPrefix(ch.ID, strings.ToLower(id)) {
			match = append(match, ch)
		}
	}
	const hint = "keyctl mfa pending shows what waits for an answer of yours"
	switch len(match) {
	case 1:
		return match[0], nil
	case 0:
		return protocol.Challenge{}, failf(exitNotFound, hint, "challenge %s: not there: it has expired, was answered, or is not for you", id)
	}
	return protocol.Challenge{}, usagef(hint, "challenge %s: %d begin so", id, len(match))
}
