package command

import (
	"context"
	"crypto/x509"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// cardAlgorithm is a kind of key as people write it.
type cardAlgorithm string

// cardAlgorithms are the kinds that --algorithm takes.
var cardAlgorithms = map[cardAlgorithm]piv.Algorithm{
	"P256": piv.P256, "P384": piv.P384, "RSA2048": piv.RSA2048, "Ed25519": piv.Ed25519,
}

type pivOptions struct {
	name, user string
	slot       string
	card       uint32
	generate   bool
	algorithm  cardAlgorithm
	touch      piv.TouchPolicy
	pinPolicy  piv.PINPolicy
	management string
	cardOptions
	confirmation
}

func newEnrollPIV(c *cli) *cobra.Command {
	o := &pivOptions{algorithm: "P256", touch: piv.TouchAlways, pinPolicy: piv.PINOnce}
	cmd := &cobra.Command{
		Use:   "piv NAME",
		Short: "The key in a slot of a YubiKey",
		Long: `Enrol the key in a slot of a YubiKey: the card attests it, and it signs a question
of keyd's, which takes its PIN and a touch, if it wants those.

With --generate the key is made on the card first, in place of what is in the slot.
That takes the card's management key, which is the factory's if no other is given.
Slots are 9a, 9c and 82 to 95.`,
		Example: `  keyctl mfa enroll piv alice-key --generate --touch always
  keyctl mfa enroll piv alice-key --user alice --slot 9c --card 12345678`,
		Args: cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.name = args[0]
			return c.enrollPIV(ctx, *o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.user, "user", "", "whose device it will be; root for the root user (default: yours)")
	f.StringVar(&o.slot, "slot", "9a", "the `SLOT` of the key")
	f.Uint32Var(&o.card, "card", 0, "serial `NUMBER` of the YubiKey (default: the only one)")
	f.BoolVar(&o.generate, "generate", false, "make a new key in the slot")
	choiceFlag(cmd, &o.algorithm, "algorithm", "of the new key: P256, P384, RSA2048 or Ed25519", []cardAlgorithm{"P256", "P384", "RSA2048", "Ed25519"})
	choiceFlag(cmd, &o.touch, "touch", "when the new key wants a touch: always, cached (good for 15 s) or never",
		[]piv.TouchPolicy{piv.TouchAlways, piv.TouchCached, piv.TouchNever})
	choiceFlag(cmd, &o.pinPolicy, "pin-policy", "when the new key wants the PIN: once (each time that the card is opened), always or never",
		[]piv.PINPolicy{piv.PINOnce, piv.PINAlways, piv.PINNever})
	f.StringVar(&o.management, "management-key-file", "", "`FILE` with the card's management key, in hexadecimal")
	o.cardOptions.flags(cmd)
	o.flag(cmd)
	return cmd
}

func (c *cli) enrollPIV(ctx context.Context, o pivOptions) error {
	slot, err := piv.ParseSlot(o.slot)
	if err != nil {
		return usage(err, "")
	}
	p := c.person()
	defer p.leave()
	ctx, stop := interruptible(ctx)
	defer stop()
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	if o.generate {
		if o.card, err = c.generateOnCard(ctx, p, o, slot); err != nil {
			return err
		}
	}
	k, err := look(ctx, o.card, slot)
	if err != nil {
		return err
	}
	in, err := c.enrollment(ctx, cl, p, o, k)
	if err != nil {
		return err
	}
	var made mfaapi.EnrollPIVDeviceResponse
	if err := cl.mfa.call(ctx, "EnrollPIVDevice", in, &made); err != nil {
		return err
	}
	if made.Device == nil {
		return failf(exitUnavailable, stranger.hint, "the answer names no device")
	}
	return c.show(newDeviceDoc(*made.Device), deviceFacts(*made.Device))
}

// enrollment is the key, what its card attests of it, and its signature of keyd's
// question.
func (c *cli) enrollment(ctx context.Context, cl *client, p *person, o pivOptions, k cardKey) (in mfaapi.EnrollPIVDeviceRequest, err error) {
	in = mfaapi.EnrollPIVDeviceRequest{UserName: optional(o.user), Slot: aws.String(k.slot.String())}
	if in.PublicKey, err = x509.MarshalPKIXPublicKey(k.key.Public); err != nil {
		return in, err
	}
	if in.AttestationCertificate, in.IntermediateCertificate, err = attestation(ctx, k); err != nil {
		return in, err
	}
	if in.AttestationCertificate == nil {
		p.say("YubiKey %d cannot attest this key: it is enrolled as not attested.", k.card)
	}
	var question mfaapi.BeginPIVEnrollmentResponse
	begin := mfaapi.BeginPIVEnrollmentRequest{UserName: optional(o.user), DeviceName: &o.name}
	if err := cl.mfa.call(ctx, "BeginPIVEnrollment", begin, &question); err != nil {
		return in, err
	}
	m, err := o.message(question)
	if err != nil {
		return in, err
	}
	in.EnrollmentId = question.EnrollmentId
	in.Signature, err = c.signWithCard(ctx, p, k, o.cardOptions, m.Bytes())
	return in, err
}

// message is what the key signs: of what was asked for, and not of something else
// that came back.
func (o pivOptions) message(q mfaapi.BeginPIVEnrollmentResponse) (protocol.Message, error) {
	m := protocol.Message{
		Kind: protocol.KindEnrollment, Account: aws.ToString(q.Account), ID: aws.ToString(q.EnrollmentId), Nonce: q.Nonce,
		User: aws.ToString(q.UserName), Purpose: o.name, Device: aws.ToString(q.SerialNumber),
	}
	if o.user != "" && o.user != m.User || m.Device != "arn:aws:iam::"+m.Account+":mfa/"+o.name || len(m.Nonce) != protocol.NonceSize {
		return m, failf(exitUnavailable, stranger.hint, "the question is for another device than %s; nothing was signed", o.name)
	}
	return m, nil
}

// attestation is what the card says of the key; nothing if it cannot.
func attestation(ctx context.Context, k cardKey) (slot, card []byte, err error) {
	open, err := piv.Open(ctx, k.card)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, open.Close()) }()
	of, by, err := open.Attest(ctx, k.slot)
	if errors.Is(err, piv.ErrNoAttestation) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return of.Raw, by.Raw, nil
}
