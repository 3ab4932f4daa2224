package command

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/internal/term"
)

// generateOnCard makes a key on the card, and says which card that is: the one that
// was looked at and shown, though another may stand in the reader by then.
func (c *cli) generateOnCard(ctx context.Context, p *person, o pivOptions, slot piv.Slot) (serial uint32, err error) {
	management, err := managementKey(o.management)
	if err != nil {
		return 0, err
	}
	defer clear(management)
	old, err := look(ctx, o.card, slot)
	switch {
	case errors.Is(err, piv.ErrNoKey):
	case err != nil:
		return 0, err
	default:
		if err := c.confirmNewKey(o, old); err != nil {
			return 0, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, cardTime)
	defer cancel()
	card, err := piv.Open(ctx, old.card)
	if err != nil {
		return 0, err
	}
	if o.algorithm == "RSA2048" {
		p.say("Making an RSA key takes the card up to a minute.")
	}
	_, err = card.Generate(ctx, management, slot, cardAlgorithms[o.algorithm], o.pinPolicy, o.touch)
	return old.card, errors.Join(err, card.Close())
}

// confirmNewKey asks before a key is lost.
func (c *cli) confirmNewKey(o pivOptions, old cardKey) error {
	if err := o.possible(c, fmt.Sprintf("slot %v has a key", old.slot), "replacing it"); err != nil || o.yes {
		return err
	}
	facts := term.NewTable()
	facts.Row("YubiKey", fmt.Sprint(old.card))
	facts.Row("slot", old.slot.String())
	return c.ask(question{"This slot has a key, which is lost when another is made in its place.", facts, []string{old.slot.String()}, nil, "slot"})
}

// maxManagementText is room for a management key of 32 bytes in hexadecimal.
const maxManagementText = 80

// managementKey reads the card's management key; the factory's if there is no file.
func managementKey(name string) ([]byte, error) {
	if name == "" {
		return piv.DefaultManagementKey(), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := readAtMost(f, maxManagementText)
	if err == nil {
		var key []byte
		if key, err = hex.DecodeString(string(bytes.TrimSpace(text))); err == nil && len(key) >= 16 {
			return key, nil
		}
	}
	return nil, usagef("16 to 32 bytes in hexadecimal", "%s: not a management key", name)
}
