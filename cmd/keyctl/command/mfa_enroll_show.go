package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyd-hsm/keyd/internal/term"
)

// codeTries is how often a person may mistype two codes.
const codeTries = 3

// enableNew shows the device to the person, and gives it to its user.
func (c *cli) enableNew(ctx context.Context, cl *client, p *person, o oathOptions, doc *enrolledDoc) error {
	if len(o.codes) == 0 {
		if err := p.showSeed(*doc); err != nil {
			return err
		}
	}
	for try := 1; ; try++ {
		codes := o.codes
		for _, question := range []string{"A code of the device: ", "The code after that: "} {
			if len(o.codes) > 0 {
				break
			}
			code, err := p.line(ctx, question, "the code", "give --codes")
			if err != nil {
				return err
			}
			codes = append(codes, strings.ReplaceAll(code, " ", ""))
		}
		err := cl.enableMFA(ctx, mfaVerb{&o.user, &doc.SerialNumber, &codes[0], &codes[1]})
		if _, wrong := errors.AsType[*types.InvalidAuthenticationCodeException](err); wrong && len(o.codes) == 0 && try < codeTries {
			p.say("These are not two codes of the device, one after the other. Once more:")
			continue
		}
		doc.Enabled = err == nil
		return err
	}
}

// showSeed draws the QR code and writes the seed.
func (p *person) showSeed(doc enrolledDoc) error {
	if doc.URI == "" {
		return nil
	}
	picture, err := drawQR(doc.URI, term.StyleOf(p.out) != term.Style{})
	if err != nil {
		return fmt.Errorf("QR code: %w", err)
	}
	if _, err := fmt.Fprintln(p.out, picture); err != nil {
		return err
	}
	p.say("Scan it with an authenticator app, or type the seed: %s", doc.Base32StringSeed)
	p.say("It is not shown again.")
	return nil
}

func (c *cli) showEnrolled(doc enrolledDoc, o oathOptions) error {
	t := term.NewTable()
	t.Row("serial number", doc.SerialNumber)
	if doc.Enabled {
		t.Row("user", doc.UserName)
	} else if doc.Base32StringSeed != "" {
		t.Row("seed", doc.Base32StringSeed)
	}
	if o.png != "" {
		t.Row("QR code", o.png)
	}
	return c.show(doc, t)
}
