package command_test

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"testing"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// TestCardBesideOneInUse: a card that another program holds, as GnuPG likes to, does
// not keep the person's own from being found.
func TestCardBesideOneInUse(t *testing.T) {
	first, second := pivtest.New(t, pivtest.Serial(1001)), pivtest.New(t, pivtest.Serial(1002))
	pivtest.StartAll(t, first, second)
	first.Setenv(t)
	own, err := piv.Open(t.Context(), 1002)
	if err != nil {
		t.Fatal(err)
	}
	public, err := own.Generate(t.Context(), piv.DefaultManagementKey(), piv.Authentication, piv.P256, piv.PINOnce, piv.TouchAlways)
	if err := errors.Join(err, own.Close()); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	held, err := piv.Open(t.Context(), 1001)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	sum := sha256.Sum256(der)
	if card, err := command.FindCard(t.Context(), "9a", sum[:]); err != nil || card != 1002 {
		t.Errorf("found on card %d, %v; want 1002", card, err)
	}
	if _, err := command.FindCard(t.Context(), "9a", make([]byte, len(sum))); !errors.Is(err, piv.ErrInUse) {
		t.Errorf("a key that no free card has: %v, want %v", err, piv.ErrInUse)
	}
}
