package command

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/internal/term"
)

// pivFlags are the flags of init for a token that is sealed to YubiKeys.
type pivFlags struct {
	existing   bool
	noPIN      bool
	algorithm  string
	touch      string
	management string
	spares     []string
}

func (f *pivFlags) bind(fs *pflag.FlagSet) {
	fs.BoolVar(&f.existing, "piv-use-existing", false, "seal to the key that is in the slot, instead of making one there; a spare whose slot is empty gets one")
	fs.BoolVar(&f.noPIN, "piv-allow-no-pin", false, "take such a key even if it never wants the PIN: whoever has the card opens the token")
	fs.StringVar(&f.algorithm, "piv-algorithm", string(piv.P256), "kind of the key that is made: P-256 or P-384")
	fs.StringVar(&f.touch, "piv-touch", string(piv.TouchAlways), "when that key wants a touch: always, cached (15 seconds) or never")
	fs.StringVar(&f.management, "piv-management-key-file", "", "file with the card's management key in hexadecimal (KEYD_PIV_MANAGEMENT_KEY; else asked for)")
	fs.StringArrayVar(&f.spares, "piv-spare", nil, "further card that opens the token, as in piv:serial=12345678; may be given again")
}

func (f pivFlags) check() error {
	if f.algorithm != string(piv.P256) && f.algorithm != string(piv.P384) {
		return usage(fmt.Errorf("--piv-algorithm %q: cannot seal", f.algorithm), "use P-256 or P-384")
	}
	switch piv.TouchPolicy(f.touch) {
	case piv.TouchAlways, piv.TouchCached, piv.TouchNever:
		return nil
	}
	return usage(fmt.Errorf("--piv-touch %q: unknown", f.touch), "use always, cached or never")
}

// sealing makes tokens that are sealed to cards.
type sealing struct {
	flags pivFlags
	in    io.Reader
	out   io.Writer
}

// createPIVToken makes a token in the data directory, sealed to the key that u
// names and to the spares, and open. The cards are needed for the moment in which
// their keys are made or read; their PINs are not.
func createPIVToken(ctx context.Context, dir string, u pivURI, working int, s *sealing) (hsm.Token, []piv.CardKey, error) {
	if err := s.flags.check(); err != nil {
		return nil, nil, err
	}
	uris := []pivURI{u}
	for _, text := range s.flags.spares {
		spare, err := parsePIV(text)
		if err == nil && spare.Serial == 0 {
			err = errors.New("piv URI: which card is not said")
		}
		if err != nil {
			return nil, nil, usage(fmt.Errorf("--piv-spare: %w", err), "as in --piv-spare 'piv:serial=12345678;slot=9d'")
		}
		if slices.Contains(uris, spare) {
			return nil, nil, usage(fmt.Errorf("--piv-spare %s: named twice", text), "a spare is another card, or another slot")
		}
		uris = append(uris, spare)
	}
	path := filepath.Join(dir, rootedFile)
	left, err := leftToken(path)
	if err != nil {
		return nil, nil, err
	}
	keys := make([]piv.CardKey, len(uris))
	// Every card is looked at before a key is made on any: who has to come again, for
	// the one that was not plugged in, finds the others as they were.
	for _, step := range []cardStep{s.find, s.findOrMake} {
		for i, u := range uris {
			if keys[i], err = s.withCard(ctx, sealingTo{u, left, i > 0}, step); err != nil {
				return nil, nil, err
			}
		}
	}
	if left != nil {
		if err := setAside(path, left, s.out); err != nil {
			return nil, nil, err
		}
	}
	token, err := piv.CreateToken(path, working, keys...)
	if err != nil {
		return nil, nil, fmt.Errorf("token: %w", err)
	}
	return token, keys, nil
}

// leftToken is the token of an init that was interrupted, or one that belongs to
// state which is not here; nil if there is none.
func leftToken(path string) (*piv.SealedToken, error) {
	sealed, err := piv.LoadToken(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, hinted(err, "move the file away if nothing needs it")
	}
	return sealed, nil
}

// setAside moves such a token out of the way; it is never deleted. Its resident keys
// go first: a crash in between leaves a token that the next init finds.
func setAside(path string, left *piv.SealedToken, out io.Writer) error {
	aside := path + "." + left.Info().Serial
	for _, suffix := range []string{".keys", ""} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	fmt.Fprintf(out, "note: a token was here that no appliance uses; it is now %s\n", aside)
	return nil
}

// sealingTo is a key on a card that a token is to be sealed to.
type sealingTo struct {
	pivURI
	left  *piv.SealedToken // of an interrupted init; nil if there is none
	spare bool
}

// made reports whether an interrupted init made the key, or took it.
func (to sealingTo) made(k piv.CardKey) bool {
	return to.left != nil && slices.ContainsFunc(to.left.Keys(), func(l piv.CardKey) bool {
		return l.Serial == k.Serial && l.Slot == k.Slot && l.Public.Equal(k.Public)
	})
}

// A cardStep is something to do with a card, for the key to seal to.
type cardStep func(context.Context, *piv.Card, sealingTo) (piv.CardKey, error)

func (s *sealing) withCard(ctx context.Context, to sealingTo, step cardStep) (piv.CardKey, error) {
	card, err := piv.Open(ctx, to.Serial)
	if err != nil {
		return piv.CardKey{}, fmt.Errorf("token: %w", err)
	}
	defer card.Close()
	return step(ctx, card, to)
}

// find is the key that is in the slot already. It takes that if it is told to, or if
// an interrupted init made it; a key is never replaced. The zero CardKey says that
// one is to be made: a spare's is in any case, since an init that made the first
// key, and failed at the spare, is run again with --piv-use-existing.
func (s *sealing) find(ctx context.Context, card *piv.Card, to sealingTo) (piv.CardKey, error) {
	k, err := card.SealsTo(ctx, to.Slot)
	switch {
	case errors.Is(err, piv.ErrNoKey) && s.flags.existing && !to.spare:
		return k, hinted(err, "leave out --piv-use-existing to make one")
	case errors.Is(err, piv.ErrNoKey):
		return piv.CardKey{}, nil
	case err != nil:
		return k, err
	case !s.flags.existing && !to.made(k):
		return k, hinted(fmt.Errorf("%v: has a key already", k), "--piv-use-existing seals to it; or choose an empty slot, 9d or 82 to 95; it is never replaced")
	}
	policies, err := card.Key(ctx, to.Slot)
	if err == nil && policies.PINPolicy == piv.PINNever && !s.flags.noPIN {
		err = hinted(fmt.Errorf("%v: its key never wants the PIN: whoever has the card could open the token", k),
			"choose an empty slot, for a key that does; or take this one with --piv-allow-no-pin")
	}
	return k, err
}

// findOrMake makes the key if there is none. Of one that is there it says what it
// lacks.
func (s *sealing) findOrMake(ctx context.Context, card *piv.Card, to sealingTo) (piv.CardKey, error) {
	k, err := s.find(ctx, card, to)
	if err != nil {
		return k, err
	}
	if k.Public == nil {
		return s.generate(ctx, card, to.Slot)
	}
	policies, err := card.Key(ctx, to.Slot)
	if err != nil {
		return k, err
	}
	for _, lack := range lacks(policies) {
		fmt.Fprintf(s.out, "warning: %v: %s\n", k, lack)
	}
	return k, nil
}

// lacks is what a key that was there does not do that one made here would, or what
// the card does not tell of it.
func lacks(k piv.Key) []string {
	var found []string
	switch k.PINPolicy {
	case piv.PINNever:
		found = append(found, "its key never wants the PIN: whoever has the card opens the token")
	case "":
		found = append(found, "the card does not tell whether its key wants the PIN")
	}
	switch k.TouchPolicy {
	case piv.TouchNever:
		found = append(found, "its key never wants a touch: a program that knows the PIN opens the token while the card is plugged in")
	case "":
		found = append(found, "the card does not tell whether its key wants a touch")
	}
	if k.Imported {
		found = append(found, "its key was made elsewhere, and may be there yet")
	}
	return found
}

func (s *sealing) generate(ctx context.Context, card *piv.Card, slot piv.Slot) (piv.CardKey, error) {
	key, err := s.managementKey(card.Info().Serial)
	if err != nil {
		return piv.CardKey{}, err
	}
	_, err = card.Generate(ctx, key, slot, piv.Algorithm(s.flags.algorithm), piv.PINOnce, piv.TouchPolicy(s.flags.touch))
	if err != nil {
		return piv.CardKey{}, fmt.Errorf("YubiKey %d, slot %v: %w", card.Info().Serial, slot, err)
	}
	return card.SealsTo(ctx, slot)
}

// managementKey finds the management key: in the file, in the environment, or by
// asking on a terminal, where nothing typed means the factory's.
func (s *sealing) managementKey(serial uint32) ([]byte, error) {
	const variable = "KEYD_PIV_MANAGEMENT_KEY"
	var text string
	switch {
	case s.flags.management != "":
		b, err := os.ReadFile(s.flags.management)
		if err != nil {
			return nil, fmt.Errorf("management key: %w", err)
		}
		defer clear(b)
		text = string(b)
	case os.Getenv(variable) != "":
		text = os.Getenv(variable)
	default:
		var err error
		text, err = term.Secret(s.in, s.out, fmt.Sprintf("Management key of YubiKey %d, in hexadecimal (Enter for the factory's): ", serial))
		if err != nil {
			return nil, hinted(fmt.Errorf("management key: %w", err), "give --piv-management-key-file or %s", variable)
		}
		if strings.TrimSpace(text) == "" {
			return piv.DefaultManagementKey(), nil
		}
	}
	key, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != 16 && len(key) != 24 && len(key) != 32 {
		return nil, errors.New("management key: want 32, 48 or 64 hexadecimal digits")
	}
	return key, nil
}
