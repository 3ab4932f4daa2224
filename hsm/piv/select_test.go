package piv_test

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// another has a program of its own open the card, as GnuPG or ykman would.
func another(t *testing.T, card *pivtest.Card) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "yubico-piv-tool", "-a", "status")
	cmd.Env = append(os.Environ(), card.Environ()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("another program: %v\n%s\nhint: apt-get install yubico-piv-tool", err, out)
	}
}

// TestPulled pulls the card while its touch is awaited and puts it back at once:
// this process can use it again, and so can others.
func TestPulled(t *testing.T) {
	card := plug(t)
	c := open(t)
	public := generate(t, c, piv.Authentication, piv.PINOnce, piv.TouchAlways)
	wants(t, c.Close(), nil)
	sign := func() error {
		c, err := piv.Open(t.Context(), 0)
		if err != nil {
			return err
		}
		_, err = c.SignMessage(t.Context(), piv.Authentication, rightPIN, public, []byte("message"))
		return errors.Join(err, c.Close())
	}
	for range 5 {
		card.OnTouch(func() bool { return card.Eject() == nil })
		wants(t, sign(), piv.ErrRemoved)
		wants(t, card.Insert(), nil)
		card.Touch(true)
		wants(t, sign(), nil)
		another(t, card)
	}
}

// TestNoPIV asks a card that does not let the application be selected, again and
// again, and is left with no connection to it.
func TestNoPIV(t *testing.T) {
	card := plug(t, pivtest.WithoutPIV())
	for range 5 {
		_, err := piv.Open(t.Context(), 0)
		wants(t, err, piv.ErrNoPIV)
	}
	all, err := piv.Cards(t.Context())
	if err != nil || len(all) != 1 || !errors.Is(all[0].Err, piv.ErrNoPIV) {
		t.Errorf("cards: %+v, %v", all, err)
	}
	other := pivtest.New(t)
	wants(t, card.Swap(other), nil)
	another(t, other)
	open(t)
}
