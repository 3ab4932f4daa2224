package command

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/hsm/piv"
)

// cardTime bounds the work of a card: it waits fifteen seconds for a touch, and
// makes an RSA key in about a minute.
const cardTime = 3 * time.Minute

// hintPIN says how to give a PIN where nobody is there to be asked.
const hintPIN = "give it with --pin-file"

// cardOptions say how a card is used.
type cardOptions struct{ pinFile string }

func (o *cardOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.pinFile, "pin-file", "", "`FILE` with the PIN of the YubiKey, instead of asking; it may need none")
}

// cardKey is a key on a card that is plugged in.
type cardKey struct {
	card uint32
	slot piv.Slot
	key  piv.Key
	// pin: the key wants the PIN, of which so many tries are left.
	pin   bool
	tries int
}

// look opens a card for a moment and asks what is in a slot. Card 0 is the only one;
// with ErrNoKey, k says which card that is.
func look(ctx context.Context, card uint32, slot piv.Slot) (k cardKey, err error) {
	open, err := piv.Open(ctx, card)
	if err != nil {
		return k, err
	}
	defer func() { err = errors.Join(err, open.Close()) }()
	k = cardKey{card: open.Info().Serial, slot: slot}
	if k.key, err = open.Key(ctx, slot); err != nil {
		return k, err
	}
	k.pin, k.tries, err = open.NeedsPIN(ctx, slot)
	return k, err
}

// fingerprint is by which a key is known to keyd: SHA-256 of its
// SubjectPublicKeyInfo.
func (k cardKey) fingerprint() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k.key.Public)
	sum := sha256.Sum256(der)
	return sum[:], err
}

// securityKey is a device that keyd knows and a card may have.
type securityKey struct {
	serial string // the device's serial number
	sha256 []byte // of its public key
	slot   string
	card   uint32 // 0 if not attested
}

// find looks on the cards that are plugged in for one of a user's keys.
func find(ctx context.Context, user string, devices []securityKey) (securityKey, cardKey, error) {
	none := func(format string, args ...any) (securityKey, cardKey, error) {
		return securityKey{}, cardKey{}, fmt.Errorf(format, args...)
	}
	if len(devices) == 0 {
		return none("%s has no security key: %w", user, errNotEnrolled)
	}
	cards, err := piv.Cards(ctx)
	if err != nil {
		return none("%w", err)
	}
	if len(cards) == 0 {
		return none("%w", piv.ErrNoCard)
	}
	var serials []string
	// What is wrong with one card matters if no other has the key.
	var trouble error
	for _, card := range cards {
		if card.Err != nil {
			trouble = fmt.Errorf("%s: %w", card.Reader, card.Err)
			continue
		}
		serials = append(serials, fmt.Sprint(card.Serial))
		for _, d := range devices {
			k, ok, err := d.on(ctx, card.Serial)
			if err != nil {
				return none("YubiKey %d: %w", card.Serial, err)
			}
			if ok {
				return d, k, nil
			}
		}
	}
	if trouble != nil {
		return none("%w", trouble)
	}
	return none("YubiKey %s: %w by %s", strings.Join(serials, ", "), errNotEnrolled, user)
}

// errNotEnrolled: a card that keyd does not know as this user's.
var errNotEnrolled = errors.New("not enrolled")

// on reports whether a card has the device's key.
func (d securityKey) on(ctx context.Context, card uint32) (k cardKey, found bool, err error) {
	if d.card != 0 && d.card != card {
		return k, false, nil
	}
	slot, err := piv.ParseSlot(d.slot)
	if err != nil {
		return k, false, err
	}
	k, err = look(ctx, card, slot)
	if errors.Is(err, piv.ErrNoKey) {
		return k, false, nil
	}
	if err != nil {
		return k, false, err
	}
	sum, err := k.fingerprint()
	return k, bytes.Equal(sum, d.sha256), err
}
