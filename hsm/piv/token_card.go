package piv

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Agree is ECDH with the key in a slot, which must be the one that public is. It
// shows the PIN and waits for a touch as [Card.Sign] does; errors as there. Touch,
// which may be nil, is called when the PIN was right and the card asks for a touch.
func (c *Card) Agree(ctx context.Context, s Slot, pin PIN, public crypto.PublicKey, peer *ecdh.PublicKey, touch func()) ([]byte, error) {
	k, err := c.Key(ctx, s)
	if err != nil {
		return nil, err
	}
	return c.use(ctx, s, pin, public, func(key crypto.PrivateKey) ([]byte, error) {
		exchange, ok := key.(interface {
			ECDH(*ecdh.PublicKey) ([]byte, error)
		})
		if !ok {
			return nil, ErrAlgorithm
		}
		if k.TouchPolicy != TouchNever && touch != nil {
			touch()
		}
		return exchange.ECDH(peer)
	})
}

// An Unsealing says how to open a token with a card.
type Unsealing struct {
	// PIN is asked for if the key wants one, and shown to the card once.
	PIN PIN
	// LastTry lets the last try of the PIN be used.
	LastTry bool
	// Touch is called when the card asks for a touch; it may be nil, and may be called
	// after the call has returned because its context ended.
	Touch func(CardKey)
	// Working bounds the unwrapped keys that the token keeps; 0 means 10,240.
	Working int
}

// UnsealWithCard opens the token with whichever of its cards is plugged in. Errors are
// those of [Open] and [Card.Sign]: ErrNoCard says which cards were looked for,
// ErrOtherKey that the card has another key in the slot by now. ErrAltered is
// [SealedToken.Unseal]'s.
func (s *SealedToken) UnsealWithCard(ctx context.Context, u Unsealing) (*Token, error) {
	key, err := s.plugged(ctx)
	if err != nil {
		return nil, err
	}
	card, err := Open(ctx, key.Serial)
	if err != nil {
		return nil, err
	}
	defer card.Close()
	if u.LastTry {
		card.UseLastTry()
	}
	public, err := card.Public(ctx, key.Slot)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", key, err)
	}
	if found, err := sealingKey(key.Serial, key.Slot, public); err != nil || !found.Public.Equal(key.Public) {
		return nil, fmt.Errorf("%v: %w", key, ErrOtherKey)
	}
	touch := func() {
		if u.Touch != nil {
			u.Touch(key)
		}
	}
	return s.Unseal(key, u.Working, func(peer *ecdh.PublicKey) ([]byte, error) {
		return card.Agree(ctx, key.Slot, u.PIN, public, peer, touch)
	})
}

// plugged is the first of the token's keys whose card is plugged in. While another
// program has a card that may be the one, it waits as [Open] does.
func (s *SealedToken) plugged(ctx context.Context) (key CardKey, err error) {
	for range inUseTries {
		if key, err = s.pluggedOnce(ctx); !errors.Is(err, ErrInUse) {
			return key, err
		}
		select {
		case <-ctx.Done():
			return key, fmt.Errorf("%w: %w", ErrInUse, ctx.Err())
		case <-time.After(inUsePause):
		}
	}
	return s.pluggedOnce(ctx)
}

func (s *SealedToken) pluggedOnce(ctx context.Context) (CardKey, error) {
	cards, err := Cards(ctx)
	if err != nil {
		return CardKey{}, err
	}
	var there, wanted []uint32
	var unknown error
	for _, c := range cards {
		if c.Err != nil {
			unknown = c.Err
			continue
		}
		there = append(there, c.Serial)
	}
	for _, k := range s.Keys() {
		if slices.Contains(there, k.Serial) {
			return k, nil
		}
		wanted = append(wanted, k.Serial)
	}
	switch {
	case unknown != nil:
		return CardKey{}, unknown
	case len(there) > 0:
		return CardKey{}, fmt.Errorf("YubiKey %s: %w; there is %s", list(wanted), ErrNoCard, list(there))
	}
	return CardKey{}, fmt.Errorf("YubiKey %s: %w", list(wanted), ErrNoCard)
}
