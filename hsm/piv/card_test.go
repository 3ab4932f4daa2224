package piv_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"

	vendor "github.com/go-piv/piv-go/v2/piv"

	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// plug puts a card into a reader that this process sees.
func plug(t *testing.T, options ...pivtest.Option) *pivtest.Card {
	t.Helper()
	card := pivtest.Start(t, options...)
	card.Setenv(t)
	return card
}

// open takes the only card until the test ends.
func open(t *testing.T) *piv.Card {
	t.Helper()
	c, err := piv.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { wants(t, c.Close(), nil) })
	return c
}

// generate makes a P-256 key.
func generate(t *testing.T, c *piv.Card, s piv.Slot, pin piv.PINPolicy, touch piv.TouchPolicy) crypto.PublicKey {
	t.Helper()
	public, err := c.Generate(t.Context(), piv.DefaultManagementKey(), s, piv.P256, pin, touch)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func wants(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error %v, want %v", got, want)
	}
}

func wantsPIN(t *testing.T, got error, tries int) {
	t.Helper()
	var wrong *piv.PINError
	if !errors.As(got, &wrong) || wrong.Tries != tries {
		t.Errorf("error %v, want a wrong PIN with %d tries left", got, tries)
	}
}

var rightPIN = piv.KnownPIN([]byte(pivtest.DefaultPIN))

func TestReaders(t *testing.T) {
	ctx := t.Context()
	t.Run("no card", func(t *testing.T) {
		card := plug(t)
		if err := card.Eject(); err != nil {
			t.Fatal(err)
		}
		_, err := piv.Open(ctx, 0)
		wants(t, err, piv.ErrNoCard)
		if all, err := piv.Cards(ctx); err != nil || len(all) > 0 {
			t.Errorf("cards without a card: %v, %v", all, err)
		}
		if err := card.Insert(); err != nil {
			t.Fatal(err)
		}
		if got := open(t).Info(); got.Serial != 10_000_001 || got.Firmware != "5.4.3" || got.Reader != card.Reader() {
			t.Errorf("info %+v", got)
		}
	})
	t.Run("no service", func(t *testing.T) { // the daemon of the test before is gone
		_, err := piv.Open(ctx, 0)
		wants(t, err, piv.ErrNoService)
		_, err = piv.Cards(ctx)
		wants(t, err, piv.ErrNoService)
	})
	t.Run("several", func(t *testing.T) {
		cards := []*pivtest.Card{pivtest.New(t, pivtest.Serial(1)), pivtest.New(t, pivtest.Serial(2)), pivtest.New(t, pivtest.Serial(3))}
		pivtest.StartAll(t, cards...)
		cards[0].Setenv(t)
		_, err := piv.Open(ctx, 0)
		wants(t, err, piv.ErrSeveralCards)
		var several *piv.SeveralError
		if !errors.As(err, &several) || !slices.Equal(several.Serials, []uint32{1, 2, 3}) || !strings.Contains(err.Error(), "1, 2, 3") {
			t.Errorf("several cards: %v", err)
		}
		_, err = piv.Open(ctx, 4)
		wants(t, err, piv.ErrNoCard)
		c, err := piv.Open(ctx, 2)
		if err != nil || c.Info().Serial != 2 {
			t.Fatalf("card 2: %+v, %v", c, err)
		}
		all, err := piv.Cards(ctx)
		if err != nil || len(all) != 3 || all[0].Serial != 1 || all[2].Serial != 3 {
			t.Fatalf("cards: %+v, %v", all, err)
		}
		wants(t, all[1].Err, piv.ErrInUse)
		wants(t, c.Close(), nil)
	})
}

// TestInUse waits for a card that somebody has.
func TestInUse(t *testing.T) {
	plug(t)
	first, err := piv.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan error)
	go func() {
		second, err := piv.Open(t.Context(), 0)
		if err == nil {
			err = second.Close()
		}
		opened <- err
	}()
	wants(t, first.Close(), nil)
	wants(t, <-opened, nil)
}

func TestPIN(t *testing.T) {
	card := plug(t)
	c := open(t)
	ctx := t.Context()
	public := generate(t, c, piv.Signature, piv.PINAlways, piv.TouchNever)
	sign := func(pin piv.PIN) error {
		_, err := c.SignMessage(ctx, piv.Signature, pin, public, []byte("message"))
		return err
	}
	tries := func(want int) {
		t.Helper()
		got, err := c.Tries(ctx)
		if on, _ := card.Tries(); err != nil || got != want || on != want {
			t.Errorf("%d tries, and on the card %d, %v; want %d", got, on, err, want)
		}
	}
	if needed, n, err := c.NeedsPIN(ctx, piv.Signature); !needed || n != 3 || err != nil {
		t.Errorf("PIN needed: %t, %d, %v", needed, n, err)
	}
	wants(t, sign(nil), piv.ErrPINNeeded)
	for _, text := range []string{"", "12345", "123456789", "12345\xff"} {
		wants(t, sign(piv.KnownPIN([]byte(text))), piv.ErrPINForm)
	}
	refused := errors.New("no")
	wants(t, sign(func(int) ([]byte, error) { return nil, refused }), refused)
	tries(3)
	wrong := func(want int) piv.PIN {
		return func(n int) ([]byte, error) {
			if n != want {
				t.Errorf("asked with %d tries left, want %d", n, want)
			}
			return []byte("654321"), nil
		}
	}
	err := sign(wrong(3))
	wantsPIN(t, err, 2)
	if strings.Contains(err.Error(), "654321") {
		t.Errorf("the PIN stands in %q", err)
	}
	wantsPIN(t, sign(wrong(2)), 1)
	wants(t, sign(rightPIN), piv.ErrLastTry)
	tries(1)
	c.UseLastTry()
	wants(t, sign(rightPIN), nil)
	tries(3)
	wantsPIN(t, sign(wrong(3)), 2)
	wantsPIN(t, sign(wrong(2)), 1)
	wants(t, sign(wrong(1)), piv.ErrPINBlocked)
	wants(t, sign(rightPIN), piv.ErrPINBlocked)
	tries(0)
}

// TestForgets: the next program does not profit from a PIN that was shown.
func TestForgets(t *testing.T) {
	card := plug(t)
	c := open(t)
	public := generate(t, c, piv.Signature, piv.PINOnce, piv.TouchNever)
	_, err := c.SignMessage(t.Context(), piv.Signature, rightPIN, public, []byte("message"))
	wants(t, errors.Join(err, c.Close()), nil)
	yk, err := vendor.Open(card.Reader())
	if err != nil {
		t.Fatal(err)
	}
	key, err := yk.PrivateKey(vendor.SlotSignature, public, vendor.KeyAuth{PINPolicy: vendor.PINPolicyNever})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.(crypto.Signer).Sign(rand.Reader, make([]byte, 32), crypto.SHA256); err == nil {
		t.Error("the card still knows the PIN")
	}
	wants(t, yk.Close(), nil)
}

// TestPINTwice shows the PIN to a card that has seen it.
func TestPINTwice(t *testing.T) {
	card := plug(t)
	c := open(t)
	public := generate(t, c, piv.Signature, piv.PINAlways, piv.TouchNever)
	for range 2 {
		_, err := c.SignMessage(t.Context(), piv.Signature, rightPIN, public, []byte("message"))
		wants(t, err, nil)
	}
	_, err := c.SignMessage(t.Context(), piv.Signature, piv.KnownPIN([]byte("654321")), public, []byte("message"))
	wantsPIN(t, err, 2)
	if n, _ := card.Tries(); n != 2 {
		t.Errorf("%d tries left", n)
	}
}

func TestKeys(t *testing.T) {
	t.Run("4.3.5", func(t *testing.T) { keys(t, pivtest.Firmware(4, 3, 5)) })
	t.Run("5.4.3", func(t *testing.T) { keys(t) })
}

func keys(t *testing.T, options ...pivtest.Option) {
	plug(t, options...)
	c := open(t)
	ctx := t.Context()
	public := generate(t, c, piv.Authentication, piv.PINNever, piv.TouchNever)
	k, err := c.Key(ctx, piv.Authentication)
	if err != nil || !public.(*ecdsa.PublicKey).Equal(k.Public) || k.PINPolicy != piv.PINNever || k.TouchPolicy != piv.TouchNever || k.Imported {
		t.Errorf("key: %+v, %v", k, err)
	}
	if _, err := c.SignMessage(ctx, piv.Authentication, nil, public, []byte("message")); err != nil {
		t.Errorf("key without a PIN: %v", err)
	}
	_, err = c.Public(ctx, piv.FirstRetired)
	wants(t, err, piv.ErrNoKey)
	_, err = c.Public(ctx, 0x9b)
	wants(t, err, piv.ErrSlot)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	wants(t, err, nil)
	_, err = c.SignMessage(ctx, piv.Authentication, rightPIN, other.Public(), []byte("message"))
	wants(t, err, piv.ErrOtherKey)
	_, err = c.SignMessage(ctx, piv.FirstRetired, rightPIN, public, []byte("message"))
	wants(t, err, piv.ErrNoKey)
	_, err = c.Generate(ctx, make([]byte, 24), piv.Authentication, piv.P256, piv.PINNever, piv.TouchNever)
	wants(t, err, piv.ErrManagementKey)
	_, err = c.Generate(ctx, make([]byte, 5), piv.Authentication, piv.P256, piv.PINNever, piv.TouchNever)
	wants(t, err, piv.ErrManagementKey)
	_, err = c.Generate(ctx, piv.DefaultManagementKey(), piv.Authentication, piv.Ed25519, piv.PINNever, piv.TouchNever)
	wants(t, err, piv.ErrAlgorithm)
	wants(t, c.Close(), nil)
	_, err = c.Tries(ctx)
	if err == nil {
		t.Error("a closed card answers")
	}
}

func TestTouch(t *testing.T) {
	card := plug(t)
	c := open(t)
	public := generate(t, c, piv.Authentication, piv.PINOnce, piv.TouchAlways)
	sign := func(ctx context.Context) error {
		_, err := c.SignMessage(ctx, piv.Authentication, rightPIN, public, []byte("message"))
		return err
	}
	wants(t, sign(t.Context()), nil)
	card.Touch(false)
	wants(t, sign(t.Context()), piv.ErrTouch)
	card.OnTouch(func() bool { return card.Eject() == nil })
	wants(t, sign(t.Context()), piv.ErrRemoved)
	wants(t, sign(t.Context()), piv.ErrRemoved)
	wants(t, c.Close(), nil)
}

// TestGiveUp ends the context of a signature that waits for a touch.
func TestGiveUp(t *testing.T) {
	card := plug(t)
	c := open(t)
	public := generate(t, c, piv.Authentication, piv.PINOnce, piv.TouchAlways)
	blinks, finger := make(chan struct{}), make(chan struct{})
	card.OnTouch(func() bool {
		close(blinks)
		<-finger
		return true
	})
	ctx, cancel := context.WithCancel(t.Context())
	signed := make(chan error)
	go func() {
		_, err := c.SignMessage(ctx, piv.Authentication, rightPIN, public, []byte("message"))
		signed <- err
	}()
	<-blinks
	cancel()
	err := <-signed
	wants(t, err, piv.ErrUnderWay)
	wants(t, err, context.Canceled)
	_, err = c.Tries(ctx)
	wants(t, err, context.Canceled)
	wants(t, c.Close(), nil) // does not wait
	close(finger)
	card.Touch(true)
	again := open(t) // when the command has ended
	if _, err := again.SignMessage(t.Context(), piv.Authentication, rightPIN, public, []byte("message")); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = piv.Open(ended, 0)
	wants(t, err, context.Canceled)
}

// TestImported has a key that was made elsewhere.
func TestImported(t *testing.T) {
	card := plug(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	yk, err := vendor.Open(card.Reader())
	if err != nil {
		t.Fatal(err)
	}
	err = yk.SetPrivateKeyInsecure(vendor.DefaultManagementKey, vendor.SlotAuthentication, key,
		vendor.Key{PINPolicy: vendor.PINPolicyOnce, TouchPolicy: vendor.TouchPolicyAlways})
	wants(t, errors.Join(err, yk.Close()), nil)
	c := open(t)
	if k, err := c.Key(t.Context(), piv.Authentication); err != nil || !k.Imported {
		t.Errorf("key: %+v, %v", k, err)
	}
	signature, err := c.SignMessage(t.Context(), piv.Authentication, rightPIN, key.Public(), []byte("message"))
	digest := sha256.Sum256([]byte("message"))
	if err != nil || !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
		t.Errorf("signature: %v", err)
	}
	_, _, err = c.Attest(t.Context(), piv.Authentication)
	wants(t, err, piv.ErrNoAttestation)
}

// TestMessages: what people are told where it has a number in it.
func TestMessages(t *testing.T) {
	for want, err := range map[string]error{
		"wrong PIN: 2 tries left":                              &piv.PINError{Tries: 2},
		"wrong PIN: one try left before it is blocked":         &piv.PINError{Tries: 1},
		piv.ErrSeveralCards.Error() + ": 12345678, 4294967295": &piv.SeveralError{Serials: []uint32{12345678, 1<<32 - 1}},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

func TestSlots(t *testing.T) {
	for text, want := range map[string]piv.Slot{
		"9a": piv.Authentication, "9c": piv.Signature, "9d": piv.KeyManagement, "9e": piv.CardAuthentication, "82": 0x82, "95": 0x95, "9A": 0x9a,
	} {
		if s, err := piv.ParseSlot(text); s != want || err != nil || s.String() != strings.ToLower(text) {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "9", "9b", "81", "96", "9f", "f9", "09a", "0x9a", "-9", "zz"} {
		_, err := piv.ParseSlot(text)
		wants(t, err, piv.ErrSlot)
	}
}
