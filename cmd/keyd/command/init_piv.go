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
	"strings"

	"github.com/spf13/pflag"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/internal/term"
)

// pivFlags are the flags of init for a token that is sealed to YubiKeys.
type pivFlags struct {
	existing   bool
	algorithm  string
	touch      string
	management string
	spares     []string
}

func (f *pivFlags) bind(fs *pflag.FlagSet) {
	fs.BoolVar(&f.existing, "piv-use-existing", false, "seal to the key that is in the slot, instead of making one there")
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
		uris = append(uris, spare)
	}
	path := filepath.Join(dir, rootedFile)
	left, err := setAside(path, s.out)
	if err != nil {
		return nil, nil, err
	}
	var keys []piv.CardKey
	for _, u := range uris {
		k, err := s.key(ctx, u, left)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, k)
	}
	token, err := piv.CreateToken(path, working, keys...)
	if err != nil {
		return nil, nil, fmt.Errorf("token: %w", err)
	}
	return token, keys, nil
}

// setAside moves the token's file of an init that was interrupted, or that belongs
// to state which is not here, out of the way; it is never deleted. It returns the
// keys on cards that it was sealed to.
func setAside(path string, out io.Writer) ([]piv.CardKey, error) {
	sealed, err := piv.LoadToken(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, hinted(err, "move the file away if nothing needs it")
	}
	aside := path + "." + sealed.Info().Serial
	for _, suffix := range []string{"", ".keys"} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	fmt.Fprintf(out, "note: a token was here that no appliance uses; it is now %s\n", aside)
	return sealed.Keys(), nil
}

// key is the key on a card that the token is to be sealed to. It takes the one in
// the slot if it is told to, or if an interrupted init made it; it never replaces
// one.
func (s *sealing) key(ctx context.Context, u pivURI, left []piv.CardKey) (piv.CardKey, error) {
	card, err := piv.Open(ctx, u.Serial)
	if err != nil {
		return piv.CardKey{}, fmt.Errorf("token: %w", err)
	}
	defer card.Close()
	k, err := card.SealsTo(ctx, u.Slot)
	switch {
	case errors.Is(err, piv.ErrNoKey) && s.flags.existing:
		return k, hinted(err, "leave out --piv-use-existing to make one")
	case errors.Is(err, piv.ErrNoKey):
		return s.generate(ctx, card, u.Slot)
	case err != nil:
		return k, err
	}
	for _, l := range left {
		if l.Serial == k.Serial && l.Slot == k.Slot && l.Public.Equal(k.Public) {
			return k, nil
		}
	}
	if !s.flags.existing {
		return k, hinted(fmt.Errorf("%v: has a key already", k), "--piv-use-existing seals to it; or choose an empty slot, 9d or 82 to 95; it is never replaced")
	}
	return k, nil
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
