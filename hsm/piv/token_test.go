package piv_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/hsmtest"
	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// tokens runs the suite on tokens that are sealed to key, and opened by unseal.
func tokens(t *testing.T, key piv.CardKey, unseal func(*piv.SealedToken) (*piv.Token, error)) {
	paths := make(map[hsm.Token]string)
	hsmtest.Run(t, hsmtest.Device{
		Open: func(t *testing.T) hsm.Token {
			path := filepath.Join(t.TempDir(), "token.json")
			token, err := piv.CreateToken(path, hsmtest.Handles, key)
			if err != nil {
				t.Fatal(err)
			}
			paths[token] = path
			return token
		},
		Reopen: func(t *testing.T, closed hsm.Token) hsm.Token {
			sealed, err := piv.LoadToken(paths[closed])
			if err != nil {
				t.Fatal(err)
			}
			token, err := unseal(sealed)
			if err != nil {
				t.Fatal(err)
			}
			return token
		},
	})
}

// TestToken runs the suite with a virtual card, for both curves.
func TestToken(t *testing.T) {
	for _, algorithm := range []piv.Algorithm{piv.P256, piv.P384} {
		t.Run(string(algorithm), func(t *testing.T) {
			card := pivtest.Start(t)
			card.Setenv(t)
			key := sealingKey(t, piv.KeyManagement, algorithm)
			tokens(t, key, func(s *piv.SealedToken) (*piv.Token, error) {
				return s.UnsealWithCard(t.Context(), unsealing(card.PIN(), nil))
			})
		})
	}
}

// sealingKey makes a key on the only card.
func sealingKey(t *testing.T, slot piv.Slot, a piv.Algorithm) piv.CardKey {
	t.Helper()
	card, err := piv.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer card.Close()
	if _, err := card.Generate(t.Context(), piv.DefaultManagementKey(), slot, a, piv.PINOnce, piv.TouchAlways); err != nil {
		t.Fatal(err)
	}
	key, err := card.SealsTo(t.Context(), slot)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func unsealing(pin string, touched *int) piv.Unsealing {
	return piv.Unsealing{PIN: piv.KnownPIN([]byte(pin)), Working: hsmtest.Handles, Touch: func(piv.CardKey) {
		if touched != nil {
			*touched++
		}
	}}
}

// softKey is a key that no card has.
func softKey(t *testing.T, curve ecdh.Curve) (*ecdh.PrivateKey, piv.CardKey) {
	t.Helper()
	k, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k, piv.CardKey{Serial: 12345678, Slot: piv.KeyManagement, Public: k.PublicKey()}
}

// TestTokenRefusals: every trouble with a card has its own error, and the token
// stays sealed.
func TestTokenRefusals(t *testing.T) {
	card := pivtest.Start(t)
	card.Setenv(t)
	key := sealingKey(t, piv.LastRetired, piv.P256)
	path := filepath.Join(t.TempDir(), "token.json")
	made, err := piv.CreateToken(path, 0, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	sealed, err := piv.LoadToken(path)
	if err != nil {
		t.Fatal(err)
	}
	touched := 0
	refused := func(what, pin string, want error) {
		t.Helper()
		token, err := sealed.UnsealWithCard(t.Context(), unsealing(pin, &touched))
		if token != nil || !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	token, err := sealed.UnsealWithCard(t.Context(), unsealing("654321", &touched))
	if wrong := (*piv.PINError)(nil); token != nil || !errors.As(err, &wrong) || wrong.Tries != 2 || touched != 0 {
		t.Errorf("wrong PIN: %v, and %d touches were asked for", err, touched)
	}
	refused("no PIN at all", "", piv.ErrPINForm)
	card.Touch(false)
	refused("touch withheld", card.PIN(), piv.ErrTouch)
	if touched != 1 {
		t.Errorf("%d touches were told of, want 1", touched)
	}
	card.OnTouch(func() bool { return card.Eject() != nil })
	refused("card pulled", card.PIN(), piv.ErrRemoved)
	refused("no card", card.PIN(), piv.ErrNoCard)
	if err := card.Swap(pivtest.New(t, pivtest.Serial(77))); err != nil {
		t.Fatal(err)
	}
	refused("another card", card.PIN(), piv.ErrNoCard)
	if err := card.Insert(); err != nil {
		t.Fatal(err)
	}
	card.Touch(true)
	if token, err = sealed.UnsealWithCard(t.Context(), unsealing(card.PIN(), &touched)); err != nil {
		t.Fatalf("after all that: %v", err)
	}
	if err := token.Close(); err != nil {
		t.Error(err)
	}
	sealingKey(t, piv.LastRetired, piv.P256) // in place of the old one
	refused("key replaced", card.PIN(), piv.ErrOtherKey)
}

// TestTokenSpare: each of two keys opens it alone, and no third.
func TestTokenSpare(t *testing.T) {
	first, one := softKey(t, ecdh.P256())
	second, two := softKey(t, ecdh.P384())
	two.Serial = 2
	path := filepath.Join(t.TempDir(), "token.json")
	token, err := piv.CreateToken(path, 0, one, two)
	if err != nil {
		t.Fatal(err)
	}
	info := token.Info()
	if err := token.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := piv.CreateToken(path, 0, one); !errors.Is(err, hsm.ErrExists) {
		t.Errorf("CreateToken over another: %v", err)
	}
	sealed, err := piv.LoadToken(path)
	if err != nil {
		t.Fatal(err)
	}
	for k, private := range map[piv.CardKey]*ecdh.PrivateKey{one: first, two: second} {
		token, err := sealed.Unseal(k, 0, private.ECDH)
		if err != nil || token.Info() != info {
			t.Fatalf("%v: %v", k, err)
		}
		if err := token.Close(); err != nil {
			t.Error(err)
		}
	}
	third, three := softKey(t, ecdh.P256())
	if _, err := sealed.Unseal(three, 0, third.ECDH); !errors.Is(err, piv.ErrOtherKey) {
		t.Errorf("a third key: %v", err)
	}
	if _, err := sealed.Unseal(one, 0, third.ECDH); !errors.Is(err, piv.ErrAltered) {
		t.Errorf("a card that computes with another key: %v", err)
	}
	lost := errors.New("pulled")
	if _, err := sealed.Unseal(one, 0, func(*ecdh.PublicKey) ([]byte, error) { return nil, lost }); !errors.Is(err, lost) {
		t.Errorf("an error of the card: %v", err)
	}
}

// TestTokenAltered alters every byte of what is sealed or wrapped in a token's
// file, and moves parts of one token into another's.
func TestTokenAltered(t *testing.T) {
	private, key := softKey(t, ecdh.P256())
	path := filepath.Join(t.TempDir(), "token.json")
	token, err := piv.CreateToken(path, 0, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := token.CreateDomainKey(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := token.CreateDomainKey(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if err := token.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	opens := func(text []byte) bool {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		sealed, err := piv.LoadToken(path)
		if err != nil {
			return false
		}
		token, err := sealed.Unseal(key, 0, private.ECDH)
		if err != nil {
			return false
		}
		return token.Close() == nil
	}
	if !opens(good) {
		t.Fatal("the file itself does not open")
	}
	for name, text := range piv.Alterations(t, good) {
		if opens(text) {
			t.Errorf("%s: opens", name)
		}
	}
}
