package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/keyd-hsm/keyd/hsm/piv"
)

// signWithCard has the card sign a message, after the PIN and the touch that the key
// wants. The card is held only meanwhile.
func (c *cli) signWithCard(ctx context.Context, p *person, k cardKey, o cardOptions, message []byte) (signature []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, cardTime)
	defer cancel()
	var pin []byte
	if k.pin {
		if pin, err = c.pin(ctx, p, k, o); err != nil {
			return nil, err
		}
		defer clear(pin)
	}
	card, err := piv.Open(ctx, k.card)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, card.Close()) }()
	if k.key.TouchPolicy != piv.TouchNever {
		p.say("Touch YubiKey %d when it blinks.", k.card)
	}
	return card.SignMessage(ctx, k.slot, piv.KnownPIN(pin), k.key.Public, message)
}

// pin reads the PIN from its file, or asks for it. It is tried once.
func (c *cli) pin(ctx context.Context, p *person, k cardKey, o cardOptions) ([]byte, error) {
	if o.pinFile != "" {
		return readPIN(o.pinFile)
	}
	switch k.tries {
	case 0:
		return nil, piv.ErrPINBlocked
	case 1:
		return nil, piv.ErrLastTry
	}
	text, err := p.secret(ctx, fmt.Sprintf("PIN of YubiKey %d (%d tries left): ", k.card, k.tries), "the PIN of the YubiKey", hintPIN)
	return []byte(text), err
}

// maxPINText is room for the longest PIN and the end of its line.
const maxPINText = 16

func readPIN(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := readAtMost(f, maxPINText)
	if err != nil {
		return nil, usagef("a line of six to eight characters", "%s: not a PIN", name)
	}
	return bytes.TrimRight(text, "\r\n"), nil
}
