package command

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// onCard makes a key in slot 9d of a virtual card with these policies.
func onCard(t *testing.T, pin piv.PINPolicy, touch piv.TouchPolicy) *pivtest.Card {
	t.Helper()
	card := pivtest.Start(t)
	card.Setenv(t)
	open, err := piv.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = open.Generate(t.Context(), piv.DefaultManagementKey(), piv.KeyManagement, piv.P256, pin, touch)
	if err := errors.Join(err, open.Close()); err != nil {
		t.Fatal(err)
	}
	return card
}

// seal makes a token that is sealed to the key in slot 9d, and says what init says.
func seal(t *testing.T, flags pivFlags) (path, said string, err error) {
	t.Helper()
	dir := t.TempDir()
	flags.algorithm, flags.touch, flags.existing = string(piv.P256), string(piv.TouchAlways), true
	var out strings.Builder
	token, _, err := createPIVToken(t.Context(), dir, pivURI{Slot: piv.KeyManagement}, 1, &sealing{flags: flags, in: strings.NewReader(""), out: &out})
	if err == nil {
		err = token.Close()
	}
	return filepath.Join(dir, rootedFile), out.String(), err
}

// TestSealToWeakKey: a key that was there already and asks for less than one made
// here is not taken without a word; without a PIN, not at all unless told to.
func TestSealToWeakKey(t *testing.T) {
	for _, c := range []struct {
		pin     piv.PINPolicy
		touch   piv.TouchPolicy
		allow   bool
		refused bool
		said    []string
	}{
		{piv.PINOnce, piv.TouchAlways, false, false, nil},
		{piv.PINOnce, piv.TouchNever, false, false, []string{"never wants a touch"}},
		{piv.PINNever, piv.TouchAlways, false, true, nil},
		{piv.PINNever, piv.TouchNever, true, false, []string{"never wants the PIN", "never wants a touch"}},
	} {
		t.Run(string(c.pin+"-"+piv.PINPolicy(c.touch)), func(t *testing.T) {
			onCard(t, c.pin, c.touch)
			path, said, err := seal(t, pivFlags{noPIN: c.allow})
			if (err != nil) != c.refused || c.refused && !strings.Contains(err.Error(), "never wants the PIN") {
				t.Errorf("error %v, refused should be %v", err, c.refused)
			}
			if _, err := os.Stat(path); os.IsNotExist(err) != c.refused {
				t.Errorf("the token's file: %v", err)
			}
			if strings.Count(said, "warning: ") != len(c.said) {
				t.Errorf("said %q, want %q", said, c.said)
			}
			for _, want := range c.said {
				if !strings.Contains(said, want) {
					t.Errorf("said %q, want %q", said, want)
				}
			}
		})
	}
	if got := lacks(piv.Key{}); len(got) != 2 || !strings.Contains(got[0], "does not tell") {
		t.Errorf("of a key that the card tells nothing of: %q", got)
	}
}

// sealedDaemon is a daemon that is sealed to the card, whose appliance does not open.
func sealedDaemon(t *testing.T) (*rooted, context.CancelFunc) {
	t.Helper()
	path, _, err := seal(t, pivFlags{})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := piv.LoadToken(path)
	if err != nil {
		t.Fatal(err)
	}
	r := newRooted(sealed, 1, "local-1", slog.New(slog.DiscardHandler), func(context.Context, hsm.Token) (*appliance, error) {
		return nil, errors.New("the state is broken")
	})
	life, end := context.WithCancel(t.Context())
	t.Cleanup(end)
	r.life = life
	return r, end
}

// TestUnsealGivenUp: that the client has gone, or that the daemon ends, while the
// card waits for a touch, is told as such.
func TestUnsealGivenUp(t *testing.T) {
	for name, want := range map[string]string{"client": "busy", "daemon": "stopping"} {
		t.Run(name, func(t *testing.T) {
			card := onCard(t, piv.PINOnce, piv.TouchAlways)
			r, end := sealedDaemon(t)
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			release := make(chan struct{})
			card.OnTouch(func() bool {
				map[string]func(){"client": leave, "daemon": end}[name]()
				<-release
				return false
			})
			err := r.unseal(ctx, try{pin: []byte(card.PIN()), touch: func(string) {}})
			close(release)
			if code, _ := unsealCode(err); code != want {
				t.Errorf("%v has the code %s, want %s", err, code, want)
			}
			if len(r.tries) != 1 || r.tries[0].Code != want {
				t.Errorf("noted %+v", r.tries)
			}
		})
	}
}

// TestUnsealNoted: the token opens, and the appliance does not: that is no success.
func TestUnsealNoted(t *testing.T) {
	card := onCard(t, piv.PINOnce, piv.TouchAlways)
	r, _ := sealedDaemon(t)
	err := r.unseal(t.Context(), try{pin: []byte(card.PIN()), touch: func(string) {}})
	if err == nil || len(r.tries) != 1 || r.tries[0].Code != "failed" || !strings.Contains(r.tries[0].Message, "the state is broken") {
		t.Errorf("%v is noted as %+v", err, r.tries)
	}
}
