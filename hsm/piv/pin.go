package piv

import (
	"bytes"
	"context"
	"errors"

	"github.com/go-piv/piv-go/v2/piv"
)

// PIN gives the card's PIN when a key needs it, and is told how many tries are
// left. What it returns is the caller's: it is read once, and not kept. A nil PIN
// is none.
type PIN func(tries int) ([]byte, error)

// KnownPIN is a PIN that was asked for before.
func KnownPIN(pin []byte) PIN {
	return func(int) ([]byte, error) { return pin, nil }
}

// A PIN has up to eight bytes on the card (SP 800-73-4 part 2, 2.4.3). Yubico
// asks for six at least.
const (
	minPIN = 6
	maxPIN = 8
)

// Tries is how many wrong PINs the card will still bear; 0 when it is blocked. A
// card that was shown its PIN forgets that, since it does not tell otherwise.
func (c *Card) Tries(ctx context.Context) (int, error) {
	return do(ctx, c, func(yk *piv.YubiKey) (int, error) {
		n, err := yk.Retries()
		if err != nil && status(err) == 0 && errors.Is(explain(err), errUnnamed) {
			forget(yk)
			n, err = yk.Retries()
		}
		if status(err) == statusBlocked {
			return 0, nil
		}
		return n, explain(err)
	})
}

// VerifyPIN shows the card its PIN, once: *PINError if it is wrong, ErrPINBlocked,
// ErrLastTry or ErrPINForm. The card remembers that until it is closed, or shown a
// PIN again.
func (c *Card) VerifyPIN(ctx context.Context, pin PIN) error {
	if pin == nil {
		return ErrPINNeeded
	}
	tries, err := c.Tries(ctx)
	c.mu.Lock()
	lastTry := c.lastTry
	c.mu.Unlock()
	switch {
	case err != nil:
		return err
	case tries == 0:
		return ErrPINBlocked
	case tries == 1 && !lastTry:
		return ErrLastTry
	}
	text, err := pin(tries)
	if err != nil {
		return err
	}
	if len(text) < minPIN || len(text) > maxPIN || bytes.IndexByte(text, 0xff) >= 0 {
		return ErrPINForm
	}
	c.mu.Lock()
	c.shown = true
	c.mu.Unlock()
	_, err = do(ctx, c, func(yk *piv.YubiKey) (struct{}, error) {
		return struct{}{}, pinError(yk.VerifyPIN(string(text)))
	})
	return err
}

// pinError is what the card's answer to a PIN means.
func pinError(err error) error {
	if status(err) == statusBlocked {
		return ErrPINBlocked
	}
	var wrong piv.AuthErr
	if errors.As(err, &wrong) {
		if wrong.Retries == 0 {
			return ErrPINBlocked
		}
		return &PINError{wrong.Retries}
	}
	return explain(err)
}

// NeedsPIN reports whether the key in a slot wants the PIN for each use of a card,
// and how many tries are left, so that a person can be asked while no card is
// taken.
func (c *Card) NeedsPIN(ctx context.Context, s Slot) (needed bool, tries int, err error) {
	k, err := c.Key(ctx, s)
	if err != nil {
		return false, 0, err
	}
	tries, err = c.Tries(ctx)
	return k.PINPolicy.pin(), tries, err
}
