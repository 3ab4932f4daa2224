package piv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-piv/piv-go/v2/piv"
)

// Info says which card it is.
type Info struct {
	Serial   uint32
	Firmware string // as "5.4.3"
	Reader   string // as PC/SC calls it, which may change when it is plugged in again
	// Err is why nothing else is known of the card in this reader, such as ErrInUse.
	Err error
}

// Cards lists the YubiKeys that are plugged in, none if there are none. Each is
// opened for a moment to be asked for its serial number.
func Cards(ctx context.Context) ([]Info, error) {
	return await(ctx, nil, func() ([]Info, error) {
		names, err := readers()
		if err != nil {
			return nil, err
		}
		var all []Info
		for _, name := range names {
			c, err := open(name)
			switch {
			case errors.Is(err, ErrRemoved):
				continue // a reader without a card
			case err != nil:
				all = append(all, Info{Reader: name, Err: err})
				continue
			}
			all = append(all, c.info)
			if err := c.yk.Close(); err != nil {
				return nil, explain(err)
			}
		}
		return all, nil
	})
}

// readers are the names of those that a YubiKey can be in.
func readers() ([]string, error) {
	names, err := piv.Cards()
	if err != nil {
		return nil, explain(err)
	}
	var out []string
	for _, name := range names {
		if strings.Contains(strings.ToLower(name), "yubi") {
			out = append(out, name)
		}
	}
	return out, nil
}

// Another program has a card for the moment of a signature, as a rule.
const (
	inUsePause = 100 * time.Millisecond
	inUseTries = 50 // five seconds
)

// Open takes the card of that serial number, or with 0 the only one. The caller
// closes it. While another program has it, Open waits up to five seconds. Errors
// are those of the first group in errors.go.
func Open(ctx context.Context, serial uint32) (*Card, error) {
	for range inUseTries {
		c, err := openOnce(ctx, serial)
		if !errors.Is(err, ErrInUse) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrInUse, ctx.Err())
		case <-time.After(inUsePause):
		}
	}
	return openOnce(ctx, serial)
}

func openOnce(ctx context.Context, serial uint32) (*Card, error) {
	late := func(c *Card) {
		if c != nil {
			_ = c.yk.Close() // nobody waits for it any more
		}
	}
	return await(ctx, late, func() (*Card, error) {
		names, err := readers()
		if err != nil {
			return nil, err
		}
		return choose(names, serial)
	})
}

// choose opens the card that is meant. All others are given back at once.
func choose(names []string, serial uint32) (*Card, error) {
	var only *Card
	var serials []uint32
	var busy error
	for _, name := range names {
		c, err := open(name)
		switch {
		case errors.Is(err, ErrRemoved):
			continue // a reader without a card
		case err != nil:
			busy = err
			continue
		case serial == c.info.Serial:
			return c, nil
		}
		serials = append(serials, c.info.Serial)
		if serial == 0 && only == nil {
			only = c
			continue
		}
		_ = c.yk.Close() // not the one
	}
	if only != nil {
		if len(serials) == 1 && busy == nil {
			return only, nil
		}
		_ = only.yk.Close() // nobody said that it is the one
	}
	switch {
	case len(serials) > 1 && serial == 0:
		return nil, &SeveralError{serials}
	case busy != nil:
		return nil, busy
	case len(serials) > 0:
		return nil, fmt.Errorf("YubiKey %d: %w; there is %v", serial, ErrNoCard, list(serials))
	}
	return nil, ErrNoCard
}

func list(serials []uint32) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(serials), " ", ", "), "[]")
}
