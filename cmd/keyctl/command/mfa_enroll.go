package command

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/api/mfaapi"
)

func newMFAEnroll(c *cli) *cobra.Command {
	return parent("enroll", "Give a user a device: an authenticator app, a code token, a security key",
		newEnrollOATH(c, mfaapi.OathTypeTotp), newEnrollOATH(c, mfaapi.OathTypeHotp), newEnrollPIV(c), newEnrollRecovery(c))
}

// oathOptions say how a device makes its codes, and whose it is.
type oathOptions struct {
	kind       mfaapi.OathType
	name, user string
	digits     int32
	algorithm  mfaapi.HashAlgorithm
	period     int32
	counter    int64
	seedFile   string
	png        string
	codes      []string
	noEnable   bool
}

const enrollHelp = `It draws a QR code for an authenticator app, shows the seed, once, and asks for
two codes that follow each other; then the user has the device. Given up before
that, the device is deleted.

A token whose seed is known already comes with --seed-file, in base32, hexadecimal
or raw bytes. Where nobody is there to be asked, give its two codes with --codes;
or make the device only, with --no-enable, and finish with "keyctl mfa enable" when
its user has read two codes.`

func newEnrollOATH(c *cli, kind mfaapi.OathType) *cobra.Command {
	o := &oathOptions{kind: kind, algorithm: mfaapi.HashAlgorithmSha1}
	use, short, what := "totp NAME", "An authenticator app, or a token that shows codes by the clock", "time (TOTP, RFC 6238)"
	if kind == mfaapi.OathTypeHotp {
		use, short, what = "hotp NAME", "A token that shows a code when its button is pressed", "a counter (HOTP, RFC 4226)"
	}
	verb := "keyctl mfa enroll " + strings.ToLower(string(kind))
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  "Make a device that makes codes by " + what + ", and give it to a user.\n\n" + enrollHelp,
		Example: "  " + verb + " alice-phone --user alice\n" +
			"  " + verb + " token-7 --user bob --seed-file seed.txt --codes 755224,287082\n" +
			"  " + verb + " far-away --no-enable --png far-away.png",
		Args: cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.name = args[0]
			return c.enrollOATH(ctx, *o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.user, "user", "", "whose device it will be; root for the root user (default: yours)")
	f.Int32Var(&o.digits, "digits", 6, "digits of a code: 6 or 8")
	choiceFlag(cmd, &o.algorithm, "algorithm", "SHA1, SHA256 or SHA512; few apps know more than the first", mfaapi.HashAlgorithm("").Values())
	if kind == mfaapi.OathTypeTotp {
		f.Int32Var(&o.period, "period", 30, "seconds for which a code is shown: 30 or 60")
	} else {
		f.Int64Var(&o.counter, "counter", 0, "the number of the next code")
	}
	f.StringVar(&o.seedFile, "seed-file", "", "`FILE` with the seed of a token that has one; - is standard input")
	f.StringVar(&o.png, "png", "", "new `FILE` for the QR code, a PNG; delete it after use")
	f.StringSliceVar(&o.codes, "codes", nil, "two `CODES` that follow each other, as in 755224,287082")
	f.BoolVar(&o.noEnable, "no-enable", false, "make the device, and leave it to be given to a user later")
	cmd.MarkFlagsMutuallyExclusive("codes", "no-enable")
	cmd.MarkFlagsMutuallyExclusive("user", "no-enable")
	return cmd
}

// enrolledDoc is the JSON of mfa enroll totp and hotp. The seed is there if keyd
// made it, this once.
type enrolledDoc struct {
	SerialNumber, Type string
	UserName           string `json:",omitempty"`
	Enabled            bool
	Base32StringSeed   string `json:",omitempty"`
	URI                string `json:",omitempty"`
	QRCodePNG          []byte `json:",omitempty"`
	Out                string `json:",omitempty"`
}

func (o oathOptions) check(p *person) error {
	switch {
	case o.digits != 6 && o.digits != 8:
		return usagef("most apps and tokens show 6", "--digits %d: a code has 6 or 8", o.digits)
	case o.kind == mfaapi.OathTypeTotp && o.period != 30 && o.period != 60:
		return usagef("most apps and tokens have 30", "--period %d: it is 30 or 60 seconds", o.period)
	case len(o.codes) > 0 && o.seedFile == "":
		return usagef("leave it out to be asked, or use --no-enable and then keyctl mfa enable",
			"--codes without --seed-file: nobody knows the codes of a seed that is not made yet")
	case len(o.codes) != 0 && len(o.codes) != 2:
		return usagef("as in --codes 755224,287082", "--codes: %d codes, where two are needed", len(o.codes))
	case len(o.codes) == 0 && !o.noEnable && !p.there():
		return usagef("give --codes or --no-enable", "two codes of the device are needed, and there is nobody to ask")
	}
	return nil
}
