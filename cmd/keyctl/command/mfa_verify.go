package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	mfaclient "github.com/keyd-hsm/keyd/mfa/client"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// mfaMethods are the ways to answer.
var mfaMethods = []string{protocol.TOTP, protocol.HOTP, protocol.PIV, protocol.Recovery}

type verifyMFAOptions struct {
	user, purpose string
	methods       []string
	ttl           time.Duration
	stdin, wait   bool
	piv           bool
	cardOptions
	socketOptions
}

func newMFAVerify(c *cli) *cobra.Command {
	o := &verifyMFAOptions{}
	cmd := &cobra.Command{
		Use:   "verify --user USER --purpose TEXT",
		Short: "Ask whether a person is there: the exit code says yes or no",
		Long: `Ask, over keyd's MFA socket, whether a person is there, now and for this purpose.
It asks for a code on the terminal; --piv answers with a YubiKey of this machine;
with --wait somebody else answers, with "keyctl mfa answer".

It ends with
  0  yes
  1  no: refused, withheld, or not answered in time
  2  the command line was not accepted
  6  could not tell: keyd does not answer, is sealed, or does not let you ask

Everything but 0 is a no to whoever must decide. Under pam_exec, --code-from-stdin
reads the code that expose_authtok gives, and user and purpose are PAM's if they
are not given: docs/pam.md has examples.`,
		Example: `  keyctl mfa verify --user alice --purpose "restore of db1" && ./restore
  keyctl mfa verify --user alice --purpose "sudo on db1" --method piv --wait`,
		Args: cobra.NoArgs,
		RunE: c.run(func(ctx context.Context, _ []string) error { return c.verifyMFA(ctx, *o) }),
	}
	f := cmd.Flags()
	f.StringVar(&o.user, "user", "", "who should be there; root is the root user (default: PAM_USER)")
	f.StringVar(&o.purpose, "purpose", "", "a `TEXT` that tells the person what for (default: by PAM_SERVICE and PAM_RHOST)")
	choicesFlag(cmd, &o.methods, "method", "only by these: totp, hotp, piv, recovery (default: any)", mfaMethods)
	f.DurationVar(&o.ttl, "ttl", time.Minute, "how long the question waits, 5s to 10m")
	f.BoolVar(&o.stdin, "code-from-stdin", false, "read the code from standard input, to its end or the first NUL or newline")
	f.BoolVar(&o.wait, "wait", false, "wait for somebody else's answer")
	f.BoolVar(&o.piv, "piv", false, "answer with a YubiKey of this machine")
	cmd.MarkFlagsMutuallyExclusive("code-from-stdin", "wait", "piv")
	o.cardOptions.flags(cmd)
	o.socketOptions.flags(cmd)
	return cmd
}

// errNo is a no: the question was put, and the answer is not yes.
var errNo = errors.New("no")

// errNotGiven: the person gave no answer.
var errNotGiven = errors.New("not given")

func (c *cli) verifyMFA(ctx context.Context, o verifyMFAOptions) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	outcome, err := c.askMFA(ctx, &o)
	if err != nil {
		return verdict(err)
	}
	if o.stdin && c.format != outputJSON {
		return nil // PAM may show what is written to a stranger
	}
	return c.done(newOutcomeDoc(o, outcome), "%s: yes, by %s", o.user, outcome.Method)
}

// verdict tells a no from what says neither yes nor no.
func verdict(err error) error {
	f := explain(err)
	refusal, _ := errors.AsType[*protocol.Error](err)
	withheld := explainCard(err) != nil && f.exit == exitRefused
	switch {
	case f.exit == exitUsage:
	case withheld, errors.Is(err, errNo), errors.Is(err, errNotGiven),
		refusal != nil && (refusal.Code == protocol.CodeRefused || refusal.Code == protocol.CodeNoSuch):
		f.exit = exitFailure
	default:
		f.exit = exitUnavailable
	}
	return f
}

// askMFA puts the question and sees it to its end. A nil error is a yes.
func (c *cli) askMFA(ctx context.Context, o *verifyMFAOptions) (outcome protocol.Outcome, err error) {
	ask, err := o.ask()
	if err != nil {
		return outcome, err
	}
	p := c.person()
	defer p.leave()
	if !o.stdin && !o.wait && !o.piv && !p.there() {
		return outcome, usagef("use --wait, --piv or --code-from-stdin", "a code is needed, and there is nobody to ask")
	}
	mc := o.client()
	ch, err := mc.Ask(ctx, ask)
	if err != nil {
		return outcome, err
	}
	if ch.User != ask.User || ch.Purpose != ask.Purpose {
		return outcome, failf(exitUnavailable, stranger.hint, "keyd asks another question than it was told")
	}
	// Nobody waits for it after this.
	defer func() {
		if err != nil {
			_ = mc.Cancel(context.WithoutCancel(ctx), ch.ID)
		}
	}()
	if err := c.answerOwn(ctx, mc, p, *o, ch); err != nil {
		return outcome, err
	}
	// Only the outcome counts, whoever answered.
	if outcome, err = mc.Wait(ctx, ch.ID); err != nil {
		return outcome, err
	}
	if outcome.State != protocol.Verified {
		return outcome, fmt.Errorf("%w: the question was %s", errNo, outcome.State)
	}
	return outcome, nil
}

// ask is the question, with what PAM says where nothing else was said.
func (o *verifyMFAOptions) ask() (protocol.Ask, error) {
	facts, err := readPAM()
	if err != nil {
		return protocol.Ask{}, err
	}
	o.user, o.purpose = cmp.Or(o.user, facts.user), cmp.Or(o.purpose, facts.purpose())
	switch {
	case o.user == "":
		return protocol.Ask{}, usagef("under pam_exec it is PAM_USER", "--user: not given")
	case o.purpose == "":
		return protocol.Ask{}, usagef(`tell the person what for: --purpose "restore of db1"`, "--purpose: not given")
	case o.ttl < time.Second: // 0 would be keyd's default
		return protocol.Ask{}, usagef("it is 5s to 10m", "--ttl %v: too short", o.ttl)
	}
	return protocol.Ask{User: o.user, Purpose: o.purpose, Methods: o.methods, TTLSeconds: int(o.ttl / time.Second)}, nil
}

// answerOwn answers the question that this program put, if it is to.
func (c *cli) answerOwn(ctx context.Context, mc *mfaclient.Client, p *person, o verifyMFAOptions, ch protocol.Challenge) error {
	switch {
	case o.wait:
		p.say("Waiting for an answer: keyctl mfa answer %s", ch.ID)
		return nil
	case o.piv || !o.stdin && !takesCodes(ch):
		return c.answerWithCard(ctx, mc, p, o.cardOptions, ch)
	case o.stdin:
		code, err := readCode(c.in)
		if err != nil {
			return err
		}
		return mc.Answer(ctx, ch.ID, protocol.Answer{Code: code})
	}
	return askCodes(ctx, mc, p, ch)
}

// takesCodes reports whether a question can be answered with a code.
func takesCodes(ch protocol.Challenge) bool {
	return slices.ContainsFunc(ch.Methods, func(m string) bool { return m != protocol.PIV })
}

// outcomeDoc is the JSON of mfa verify.
type outcomeDoc struct {
	UserName, Purpose, State, Method string
	SerialNumber                     string `json:",omitempty"`
	At                               time.Time
	Attested                         bool
	TouchPolicy                      string `json:",omitempty"`
}

func newOutcomeDoc(o verifyMFAOptions, out protocol.Outcome) outcomeDoc {
	return outcomeDoc{o.user, o.purpose, out.State, out.Method, out.Device, out.At.UTC(), out.Attested, out.TouchPolicy}
}
