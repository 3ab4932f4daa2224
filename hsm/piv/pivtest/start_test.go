package pivtest_test

import (
	"crypto"
	"crypto/rand"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/go-piv/piv-go/v2/piv"
	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// open opens a card with piv-go, in this process.
func open(t *testing.T, card *pivtest.Card) *piv.YubiKey {
	t.Helper()
	yk, err := piv.Open(card.Reader())
	if err != nil {
		t.Fatal(err)
	}
	return yk
}

// signer makes a key in slot 9a and returns it.
func signer(t *testing.T, yk *piv.YubiKey, touch piv.TouchPolicy) crypto.Signer {
	t.Helper()
	public, err := yk.GenerateKey(piv.DefaultManagementKey, piv.SlotAuthentication, piv.Key{Algorithm: piv.AlgorithmEC256, PINPolicy: piv.PINPolicyOnce, TouchPolicy: touch})
	if err != nil {
		t.Fatal(err)
	}
	key, err := yk.PrivateKey(piv.SlotAuthentication, public, piv.KeyAuth{PIN: piv.DefaultPIN})
	if err != nil {
		t.Fatal(err)
	}
	return key.(crypto.Signer)
}

func sign(s crypto.Signer) error {
	_, err := s.Sign(rand.Reader, make([]byte, 32), crypto.SHA256)
	return err
}

// TestEject pulls a card that is open, puts it back, and puts another in its place.
func TestEject(t *testing.T) {
	card := pivtest.Start(t)
	card.Setenv(t)
	yk := open(t, card)
	s := signer(t, yk, piv.TouchPolicyNever)
	if err := sign(s); err != nil {
		t.Fatal(err)
	}
	if err := card.Eject(); err != nil {
		t.Fatal(err)
	}
	if err := sign(s); err == nil {
		t.Error("a card that is out signs")
	}
	_ = yk.Close() // its card is gone
	if _, err := piv.Open(card.Reader()); err == nil {
		t.Error("a card that is out was opened")
	}

	if err := card.Insert(); err != nil {
		t.Fatal(err)
	}
	yk = open(t, card)
	if info, err := yk.KeyInfo(piv.SlotAuthentication); err != nil || info.Origin != piv.OriginGenerated {
		t.Errorf("the key after a while outside: %+v, %v", info, err)
	}
	// Without power the card has forgotten the PIN: this counts the tries left.
	if n, err := yk.Retries(); err != nil || n != 3 {
		t.Errorf("%d tries, %v", n, err)
	}
	if err := yk.Close(); err != nil {
		t.Fatal(err)
	}

	other := pivtest.New(t, pivtest.Serial(2))
	if err := card.Swap(other); err != nil {
		t.Fatal(err)
	}
	yk = open(t, other)
	if n, err := yk.Serial(); err != nil || n != 2 {
		t.Errorf("serial number %d, %v", n, err)
	}
	if err := yk.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSeveral has three cards in two readers.
func TestSeveral(t *testing.T) {
	cards := []*pivtest.Card{pivtest.New(t, pivtest.Serial(1)), pivtest.New(t, pivtest.Serial(2)), pivtest.New(t, pivtest.Serial(3))}
	pivtest.StartAll(t, cards...)
	cards[0].Setenv(t)
	names, err := piv.Cards()
	if err != nil {
		t.Fatal(err)
	}
	for i, card := range cards {
		if !slices.Contains(names, card.Reader()) {
			t.Errorf("reader %q is not among %q", card.Reader(), names)
		}
		yk := open(t, card)
		if n, err := yk.Serial(); err != nil || n != uint32(i)+1 {
			t.Errorf("reader %q: serial number %d, %v", card.Reader(), n, err)
		}
		if err := yk.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestTouchByHand answers a touch while the program waits, and pulls the card
// while it does.
func TestTouchByHand(t *testing.T) {
	card := pivtest.Start(t)
	card.Setenv(t)
	yk := open(t, card)
	defer yk.Close()
	s := signer(t, yk, piv.TouchPolicyAlways)

	blinks, finger := make(chan struct{}), make(chan bool)
	card.OnTouch(func() bool {
		blinks <- struct{}{}
		return <-finger
	})
	result := make(chan error)
	for _, given := range []bool{true, false} {
		go func() { result <- sign(s) }()
		<-blinks
		finger <- given
		if err := <-result; (err == nil) != given {
			t.Errorf("touch given %t: %v", given, err)
		}
	}

	card.OnTouch(func() bool { return card.Eject() == nil })
	if err := sign(s); err == nil {
		t.Error("a card that was pulled for its touch signs")
	}
}

// TestPullAndInsert puts the card back as soon as the program knows that it was
// pulled, while the hand that did it waits for the daemon; this program opens it
// then, and another.
func TestPullAndInsert(t *testing.T) {
	card := pivtest.Start(t)
	card.Setenv(t)
	d := newDesk(t, card)
	for range 5 {
		yk := open(t, card)
		s := signer(t, yk, piv.TouchPolicyAlways)
		pulled := make(chan error, 1)
		card.OnTouch(func() bool {
			pulled <- card.Eject()
			return true
		})
		if err := sign(s); err == nil {
			t.Error("a card that was pulled for its touch signs")
		}
		_ = yk.Close() // its card is gone
		if err := card.Insert(); err != nil {
			t.Fatal(err)
		}
		if err := <-pulled; err != nil {
			t.Fatal(err)
		}
		card.Touch(true)
		yk = open(t, card)
		if err := sign(signer(t, yk, piv.TouchPolicyAlways)); err != nil {
			t.Error(err)
		}
		if err := yk.Close(); err != nil {
			t.Error(err)
		}
		d.contains(d.tool("-a", "status"), "Serial Number")
	}
}

// TestEnviron: a child sees the virtual readers and no others.
func TestEnviron(t *testing.T) {
	t.Parallel()
	card := pivtest.Start(t)
	d := newDesk(t, card)
	want := card.Reader() + "\n" + strings.TrimSuffix(card.Reader(), "00") + "01"
	if got := strings.TrimSpace(d.tool("-a", "list-readers")); got != want {
		t.Errorf("readers %q, want %q", got, want)
	}
}

// TestDaemonGoes: when a test is killed, its daemon does not outlive it.
func TestDaemonGoes(t *testing.T) {
	if os.Getenv("PIVTEST_VICTIM") != "" {
		card := pivtest.Start(t)
		_, _ = os.Stdout.WriteString(card.Environ()[0] + "\n")
		select {}
	}
	t.Parallel()
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDaemonGoes$")
	victim.Env = append(victim.Environ(), "PIVTEST_VICTIM=1")
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut(strings.TrimSpace(string(line[:n])), "=")
	t.Cleanup(func() { _ = os.RemoveAll(strings.TrimSuffix(path, "/pcscd/pcscd.comm")) })
	if _, err := pivtest.ReaderStates(path); err != nil {
		t.Fatalf("the daemon of the victim: %v", err)
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // it was killed
	for {
		if _, err := pivtest.ReaderStates(path); err != nil {
			return // nobody listens any more; else the test runs into its own end
		}
	}
}

// BenchmarkSign is one signature through the whole stack: piv-go, PC/SC, pcscd,
// vpcd, the card, and back.
func BenchmarkSign(b *testing.B) {
	card := pivtest.Start(b)
	card.Setenv(b)
	yk, err := piv.Open(card.Reader())
	if err != nil {
		b.Fatal(err)
	}
	defer yk.Close()
	public, err := yk.GenerateKey(piv.DefaultManagementKey, piv.SlotCardAuthentication, piv.Key{Algorithm: piv.AlgorithmEC256, PINPolicy: piv.PINPolicyNever, TouchPolicy: piv.TouchPolicyNever})
	if err != nil {
		b.Fatal(err)
	}
	key, err := yk.PrivateKey(piv.SlotCardAuthentication, public, piv.KeyAuth{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := sign(key.(crypto.Signer)); err != nil {
			b.Fatal(err)
		}
	}
}
