package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
	mfaclient "github.com/keyd-hsm/keyd/mfa/client"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

type answerMFAOptions struct {
	id    string
	code  string
	stdin bool
	piv   bool
	cardOptions
	socketOptions
	confirmation
}

func newMFAAnswer(c *cli) *cobra.Command {
	o := &answerMFAOptions{}
	cmd := &cobra.Command{
		Use:   "answer ID",
		Short: "Answer a question: with a code, or with a YubiKey",
		Long: `Answer a question that "keyctl mfa pending" shows; the beginning of its id is enough.
It shows who asks, what for and what they get by it, and goes on if you say so. By a
YubiKey what you were shown is what is signed, and nothing else.

Without --code, --code-from-stdin and --piv it asks for a code, or uses the YubiKey
where nothing else is accepted.`,
		Example: "  keyctl mfa answer 5f1c --piv\n  keyctl mfa answer 5f1c --code 123456",
		Args:    cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.id = args[0]
			return c.answerMFA(ctx, *o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.code, "code", "", "a `CODE` of a device, or a recovery code")
	f.BoolVar(&o.stdin, "code-from-stdin", false, "read the code from standard input")
	f.BoolVar(&o.piv, "piv", false, "sign with a YubiKey")
	cmd.MarkFlagsMutuallyExclusive("code", "code-from-stdin", "piv")
	o.cardOptions.flags(cmd)
	o.socketOptions.flags(cmd)
	o.flag(cmd)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return pendingIDs(cmd.Context(), o.client()), cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// answeredDoc is the JSON of mfa answer.
type answeredDoc struct {
	challengeDoc
	State string
}

func (c *cli) answerMFA(ctx context.Context, o answerMFAOptions) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	p := c.person()
	defer p.leave()
	if !o.yes && !p.there() {
		return usagef("add --yes if you are sure", "an answer needs a confirmation, and there is nobody to ask")
	}
	mc := o.client()
	ch, err := pendingOne(ctx, mc, o.id)
	if err != nil {
		return err
	}
	if err := p.show(ch); err != nil {
		return err
	}
	withCard := o.piv || !takesCodes(ch) && o.code == "" && !o.stdin
	if !o.yes {
		if err := p.confirm(ctx, withCard || o.code != "" || o.stdin); err != nil {
			return err
		}
	}
	if withCard {
		err = c.answerWithCard(ctx, mc, p, o.cardOptions, ch)
	} else {
		err = c.answerWithCode(ctx, mc, p, o, ch)
	}
	if err != nil {
		return err
	}
	return c.done(answeredDoc{newChallengeDoc(ch), protocol.Verified}, "verified: %s, %s", ch.User, shownPurpose(ch.Purpose))
}

// show puts a question before the person.
func (p *person) show(ch protocol.Challenge) error {
	style := term.StyleOf(p.out)
	fmt.Fprintln(p.out, style.Bold("Somebody asks whether you are there:"))
	return challengeFacts(ch, time.Now()).Write(p.out, style)
}

// confirm wants a yes, unless the person is asked for the code next and can just
// not give it.
func (p *person) confirm(ctx context.Context, needed bool) error {
	if !needed {
		return nil
	}
	typed, err := p.line(ctx, "Type yes to answer: ", "the confirmation", "add --yes if you are sure")
	if err != nil {
		return err
	}
	if typed != "yes" {
		return failf(exitFailure, "", "nothing was answered")
	}
	return nil
}

// answerWithCode answers with the code given, or asks for one.
func (c *cli) answerWithCode(ctx context.Context, mc *mfaclient.Client, p *person, o answerMFAOptions, ch protocol.Challenge) (err error) {
	if o.stdin {
		if o.code, err = readCode(c.in); err != nil {
			return err
		}
	}
	if o.code == "" {
		return askCodes(ctx, mc, p, ch)
	}
	return mc.Answer(ctx, ch.ID, protocol.Answer{Code: o.code})
}

// answerWithCard has the card sign what the person was shown.
func (c *cli) answerWithCard(ctx context.Context, mc *mfaclient.Client, p *person, o cardOptions, ch protocol.Challenge) error {
	if ch.Version != protocol.Version || len(ch.Nonce) != protocol.NonceSize {
		return failf(exitUnavailable, "is keyctl as new as keyd?", "the question has another form than keyctl signs")
	}
	device, k, err := find(ctx, ch.User, securityKeys(ch.Devices))
	if err != nil {
		return err
	}
	m := ch.Message(protocol.Device{SerialNumber: device.serial})
	signature, err := c.signWithCard(ctx, p, k, o, m.Bytes())
	if err != nil {
		return err
	}
	if !time.Now().Before(ch.Expires) {
		return failf(exitNotFound, "ask again", "the question has expired")
	}
	return mc.Answer(ctx, ch.ID, protocol.Answer{Device: device.serial, Signature: signature})
}
