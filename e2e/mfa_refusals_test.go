package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
	mfaclient "github.com/keyd-hsm/keyd/mfa/client"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// people have a YubiKey each, and ask and answer over the MFA socket of one keyd.
type people struct {
	d          *daemon
	dir        string
	alice, bob *pivtest.Card
	mc         *mfaclient.Client
}

// Serial numbers of their YubiKeys.
const (
	aliceCard = 1001
	bobCard   = 2002
)

// meet starts keyd, and has alice and bob enrol a key that wants PIN and touch.
func meet(t *testing.T) *people {
	t.Helper()
	p := &people{dir: t.TempDir()}
	all, ca := startCards(t, aliceCard, bobCard)
	p.alice, p.bob = all[0], all[1]
	root := p.file(t, "root.pem", "")
	if err := writeRoot(root, ca); err != nil {
		t.Fatal(err)
	}
	p.d = startDaemon(t, filepath.Join(p.dir, "keyd"), "--piv-root", root)
	p.mc = mfaclient.New(p.d.vars["KEYCTL_MFA_SOCKET"])
	for name, card := range map[string]int{"alice": aliceCard, "bob": bobCard} {
		p.keyctl(t, "user", "create", name)
		p.keyctl(t, "mfa", "enroll", "piv", name+"-key", "--user", name, "--generate", "--touch", "always",
			"--card", fmt.Sprint(card), "--pin-file", p.file(t, "pin", "123456\n"))
	}
	return p
}

func (p *people) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs keyctl where nobody can be asked.
func (p *people) run(args ...string) (stderr string, err error) {
	cmd := exec.Command("keyctl", args...)
	cmd.Env = append(os.Environ(), p.alice.Environ()...)
	for name, value := range p.d.vars {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var said strings.Builder
	cmd.Stderr = &said
	err = cmd.Run()
	return said.String(), err
}

func (p *people) keyctl(t *testing.T, args ...string) {
	t.Helper()
	if said, err := p.run(args...); err != nil {
		t.Fatalf("keyctl %s: %v\n%s", strings.Join(args, " "), err, said)
	}
}

// ask asks whether alice is there.
func (p *people) ask(t *testing.T, ask protocol.Ask) protocol.Challenge {
	t.Helper()
	if ask.User == "" {
		ask.User = "alice"
	}
	if ask.Purpose == "" {
		ask.Purpose = "sudo on db1"
	}
	ch, err := p.mc.Ask(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// pending wants a challenge to be unanswered, and takes it back.
func (p *people) pending(t *testing.T, ch protocol.Challenge) {
	t.Helper()
	all, err := p.mc.Pending(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, other := range all {
		found = found || other.ID == ch.ID
	}
	if !found {
		t.Error("the question is not open any more")
	}
	if err := p.mc.Cancel(t.Context(), ch.ID); err != nil {
		t.Error(err)
	}
}

// TestMFARefusalsForThePerson: whoever sits before the card is told what was wrong,
// and whoever asked gets no yes.
func TestMFARefusalsForThePerson(t *testing.T) {
	p := meet(t)
	pin, wrong := p.file(t, "pin", "123456\n"), p.file(t, "wrong", "654321\n")
	for _, c := range []struct {
		name, want string
		pin        string
		before     func()
	}{
		{"touch withheld", "error: slot 9a: the YubiKey was not touched in time", pin, func() { p.alice.Touch(false) }},
		{"wrong PIN", "error: wrong PIN: 2 tries left", wrong, func() {}},
		{"no PIN", "error: the PIN of the YubiKey: needed, and there is nobody to ask", "", func() {}},
		{"pulled card", "error: slot 9a: the YubiKey was unplugged", pin, func() { p.alice.OnTouch(func() bool { return p.alice.Eject() != nil }) }},
		{"another's card", "error: YubiKey 2002: not enrolled by alice", pin, func() { must(t, p.alice.Eject()) }},
		{"no card", "error: no YubiKey is plugged in", pin, func() { must(t, p.alice.Eject()); must(t, p.bob.Eject()) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			ch := p.ask(t, protocol.Ask{})
			c.before()
			args := []string{"mfa", "answer", ch.ID, "--piv", "--yes"}
			if c.pin != "" {
				args = append(args, "--pin-file", c.pin)
			}
			said, err := p.run(args...)
			if err == nil || !strings.Contains(said, c.want) {
				t.Errorf("%v, said\n%s", err, said)
			}
			p.alice.Touch(true)
			must(t, p.alice.Insert())
			must(t, p.bob.Insert())
			p.pending(t, ch)
		})
	}
	t.Run("expired", func(t *testing.T) {
		ch := p.ask(t, protocol.Ask{TTLSeconds: 5})
		out, err := p.mc.Wait(t.Context(), ch.ID)
		if err != nil || out.State != protocol.Expired {
			t.Fatalf("%+v, %v", out, err)
		}
		said, err := p.run("mfa", "answer", ch.ID, "--piv", "--yes", "--pin-file", pin)
		if err == nil || !strings.Contains(said, "it has expired, was answered, or is not for you") {
			t.Errorf("%v, said\n%s", err, said)
		}
	})
	// After all that the right answer is a yes.
	ch := p.ask(t, protocol.Ask{})
	p.keyctl(t, "mfa", "answer", ch.ID, "--piv", "--yes", "--pin-file", pin)
	if out, err := p.mc.Wait(t.Context(), ch.ID); err != nil || out.State != protocol.Verified || out.TouchPolicy != "always" || !out.Attested {
		t.Errorf("%+v, %v", out, err)
	}
}

// sign has a card sign a message, as the program of an attacker would who has the
// card for a moment.
func sign(t *testing.T, serial uint32, m protocol.Message) []byte {
	t.Helper()
	card, err := piv.Open(t.Context(), serial)
	must(t, err)
	defer func() { must(t, card.Close()) }()
	public, err := card.Public(t.Context(), piv.Authentication)
	must(t, err)
	signature, err := card.SignMessage(t.Context(), piv.Authentication, piv.KnownPIN([]byte("123456")), public, m.Bytes())
	must(t, err)
	return signature
}

// TestMFARefusalsForAnAttacker: signatures of something else are a no, all in the
// same words.
func TestMFARefusalsForAnAttacker(t *testing.T) {
	p := meet(t)
	p.alice.Setenv(t)
	// RFC 4226's own seed and codes.
	p.keyctl(t, "mfa", "enroll", "hotp", "alice-token", "--user", "alice", "--codes", "755224,287082",
		"--seed-file", p.file(t, "seed", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"))
	device := func(name string) protocol.Device {
		return protocol.Device{SerialNumber: "arn:aws:iam::000000000000:mfa/" + name + "-key"}
	}
	// An answer to an earlier question, and that question's message.
	earlier := p.ask(t, protocol.Ask{})
	replay := protocol.Answer{Device: device("alice").SerialNumber, Signature: sign(t, aliceCard, earlier.Message(device("alice")))}
	must(t, p.mc.Answer(t.Context(), earlier.ID, replay))

	forged := func(card uint32, name string, change func(*protocol.Message)) func(protocol.Challenge) protocol.Answer {
		return func(ch protocol.Challenge) protocol.Answer {
			m := ch.Message(device(name))
			change(&m)
			return protocol.Answer{Device: device(name).SerialNumber, Signature: sign(t, card, m)}
		}
	}
	texts := map[string]bool{}
	for _, c := range []struct {
		name   string
		ask    protocol.Ask
		answer func(protocol.Challenge) protocol.Answer
	}{
		{"another purpose", protocol.Ask{}, forged(aliceCard, "alice", func(m *protocol.Message) { m.Purpose = "unlock the door" })},
		{"a replayed answer", protocol.Ask{}, func(protocol.Challenge) protocol.Answer { return replay }},
		{"a cloned challenge id", protocol.Ask{}, forged(aliceCard, "alice", func(m *protocol.Message) { m.Nonce = earlier.Nonce })},
		{"another challenge's id", protocol.Ask{}, forged(aliceCard, "alice", func(m *protocol.Message) { m.ID = earlier.ID })},
		{"another user's card", protocol.Ask{}, forged(bobCard, "bob", func(*protocol.Message) {})},
		{"another user's signature", protocol.Ask{}, forged(bobCard, "alice", func(*protocol.Message) {})},
		{"another user's name", protocol.Ask{}, forged(aliceCard, "alice", func(m *protocol.Message) { m.User = "bob" })},
		{"another account", protocol.Ask{}, forged(aliceCard, "alice", func(m *protocol.Message) { m.Account = "111111111111" })},
		{"an enrolment", protocol.Ask{}, forged(aliceCard, "alice", func(m *protocol.Message) { m.Kind = protocol.KindEnrollment })},
		{"no credentials meant", protocol.Ask{Credentials: true}, forged(aliceCard, "alice", func(m *protocol.Message) { m.Grants = "" })},
		{"a method not accepted", protocol.Ask{Methods: []string{protocol.HOTP}}, forged(aliceCard, "alice", func(*protocol.Message) {})},
		{"an unknown user", protocol.Ask{User: "mallory"}, forged(aliceCard, "alice", func(*protocol.Message) {})},
		{"an unknown device", protocol.Ask{}, func(protocol.Challenge) protocol.Answer {
			return protocol.Answer{Device: device("carol").SerialNumber, Signature: replay.Signature}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			// A wrong answer makes the next wait; these are about what is right.
			p.keyctl(t, "mfa", "unlock", "alice")
			p.keyctl(t, "mfa", "unlock", "bob")
			ch := p.ask(t, c.ask)
			err := p.mc.Answer(t.Context(), ch.ID, c.answer(ch))
			refusal, _ := errors.AsType[*protocol.Error](err)
			if refusal == nil || refusal.Code != protocol.CodeRefused {
				t.Fatalf("answered: %v", err)
			}
			texts[refusal.Message] = true
			p.pending(t, ch)
		})
	}
	if len(texts) != 1 {
		t.Errorf("the refusals tell more than no: %v", texts)
	}
	t.Run("replayed to the same", func(t *testing.T) {
		refusal, _ := errors.AsType[*protocol.Error](p.mc.Answer(context.Background(), earlier.ID, replay))
		if refusal == nil || refusal.Code != protocol.CodeNoSuch {
			t.Errorf("answered: %v", refusal)
		}
	})
}
