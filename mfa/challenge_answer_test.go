package mfa_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// A securityKey signs as a card does, without asking for a PIN.
type securityKey struct {
	*ecdsa.PrivateKey
	serial string
}

// user makes a user with an authenticator and a security key.
func (f *fixture) user(name string) (owner string, phone device, key securityKey) {
	f.t.Helper()
	u, _ := f.kit.UserWithKey(name)
	phone = f.device(name + "-phone")
	pair, err := f.Prove(f.t.Context(), "", phone.serial, phone.code(-1), phone.code(0))
	if err != nil {
		f.t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		f.t.Fatal(err)
	}
	d := &mfa.Device{
		Version: 1, Name: name + "-key", Path: "/", Account: testkit.Account, Created: f.now, Type: mfa.TypePIV, Owner: u.ID,
		PIV: &mfa.PIVKey{Public: der, Slot: "9a"},
	}
	f.do(func(tx mfa.Tx) error { return errors.Join(f.Enable(tx, u.ID, phone.serial, pair), f.EnrollPIV(tx, d)) })
	f.now = f.now.Add(time.Minute) // the codes of now are spent
	return u.ID, phone, securityKey{private, d.Serial()}
}

// signs answers a challenge as it is shown.
func (k securityKey) signs(t *testing.T, c protocol.Challenge) protocol.Answer {
	t.Helper()
	digest := sha256.Sum256(c.Message(protocol.Device{SerialNumber: k.serial}).Bytes())
	signature, err := ecdsa.SignASN1(rand.Reader, k.PrivateKey, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return protocol.Answer{Device: k.serial, Signature: signature}
}

// released records nothing and lets every answer count.
func released(_ mfa.Proof, refusal error) error { return refusal }

func (f *fixture) challenges() *mfa.Challenges {
	return mfa.NewChallenges(testkit.Account, f.Service, func() time.Time { return f.now })
}

func about(owner, user, purpose string, methods ...string) mfa.Question {
	return mfa.Question{From: "uid:1", Owner: owner, Challenge: protocol.Challenge{User: user, Purpose: purpose, Methods: methods}}
}

func TestChallengeAnswered(t *testing.T) {
	f := start(t)
	owner, phone, key := f.user("alice")
	c, ctx := f.challenges(), t.Context()
	code := phone.code(0)
	for _, answer := range []func(protocol.Challenge) protocol.Answer{
		func(protocol.Challenge) protocol.Answer { return protocol.Answer{Code: code} },
		func(made protocol.Challenge) protocol.Answer { return key.signs(t, made) },
	} {
		made := ask(t, c, about(owner, "alice", "sudo", protocol.TOTP, protocol.PIV))
		a := answer(made)
		if err := c.Answer(ctx, made.ID, a, released); err != nil {
			t.Fatal(err)
		}
		r, err := c.Wait(ctx, "uid:1", made.ID, 0)
		if err != nil || r.State != protocol.Verified || r.Device == "" || r.Device != r.Proof.Serial {
			t.Errorf("%+v %v", r, err)
		}
		if err := c.Answer(ctx, made.ID, a, released); !errors.Is(err, mfa.ErrNoChallenge) {
			t.Errorf("the same answer again: %v", err)
		}
		made = ask(t, c, about(owner, "alice", "sudo", protocol.TOTP, protocol.PIV))
		if err := c.Answer(ctx, made.ID, a, released); !errors.Is(err, mfa.ErrCode) {
			t.Errorf("the same answer to the next challenge: %v", err)
		}
	}
}

// TestChallengeRefuses: signatures and codes that are right, but of something else.
func TestChallengeRefuses(t *testing.T) {
	f := start(t)
	alice, phone, key := f.user("alice")
	_, bobsPhone, bobsKey := f.user("bob")
	ctx := t.Context()
	all := []string{protocol.TOTP, protocol.PIV}
	changed := func(change func(*protocol.Challenge)) func(protocol.Challenge) protocol.Answer {
		return func(c protocol.Challenge) protocol.Answer {
			change(&c)
			return key.signs(t, c)
		}
	}
	for name, test := range map[string]struct {
		methods []string
		answer  func(protocol.Challenge) protocol.Answer
		want    error
	}{
		"another purpose":    {all, changed(func(c *protocol.Challenge) { c.Purpose = "lunch" }), mfa.ErrCode},
		"another user":       {all, changed(func(c *protocol.Challenge) { c.User = "bob" }), mfa.ErrCode},
		"another challenge":  {all, changed(func(c *protocol.Challenge) { c.ID = "00000000000000000000000000000000" }), mfa.ErrCode},
		"another nonce":      {all, changed(func(c *protocol.Challenge) { c.Nonce = make([]byte, protocol.NonceSize) }), mfa.ErrCode},
		"another account":    {all, changed(func(c *protocol.Challenge) { c.Account = "999999999999" }), mfa.ErrCode},
		"credentials":        {all, changed(func(c *protocol.Challenge) { c.Credentials = true }), mfa.ErrCode},
		"another's key":      {all, func(c protocol.Challenge) protocol.Answer { return bobsKey.signs(t, c) }, mfa.ErrDevice},
		"another's code":     {all, func(protocol.Challenge) protocol.Answer { return protocol.Answer{Code: bobsPhone.code(0)} }, mfa.ErrCode},
		"no signature asked": {[]string{protocol.TOTP}, func(c protocol.Challenge) protocol.Answer { return key.signs(t, c) }, mfa.ErrMethod},
		"no code asked": {[]string{protocol.PIV}, func(protocol.Challenge) protocol.Answer { return protocol.Answer{Code: phone.code(0)} },
			mfa.ErrMethod},
	} {
		t.Run(name, func(t *testing.T) {
			f.do(func(tx mfa.Tx) error { return f.Unlock(tx, alice) })
			c := f.challenges()
			made := ask(t, c, about(alice, "alice", "sudo", test.methods...))
			if err := c.Answer(ctx, made.ID, test.answer(made), released); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if got := outcome(t, c, "uid:1", made.ID); got != protocol.Pending {
				t.Error(got)
			}
		})
	}
}

// TestChallengeRejected: the third refused answer ends it, for a right one too.
func TestChallengeRejected(t *testing.T) {
	f := start(t)
	owner, _, key := f.user("alice")
	c := f.challenges()
	made := ask(t, c, about(owner, "alice", "sudo", protocol.PIV))
	for range mfa.MaxRefused {
		if err := c.Answer(t.Context(), made.ID, protocol.Answer{Code: "000000"}, released); !errors.Is(err, mfa.ErrMethod) {
			t.Error(err)
		}
	}
	if got := outcome(t, c, "uid:1", made.ID); got != protocol.Rejected {
		t.Error(got)
	}
	if err := c.Answer(t.Context(), made.ID, key.signs(t, made), released); !errors.Is(err, mfa.ErrNoChallenge) {
		t.Errorf("a right answer after that: %v", err)
	}
}

// TestChallengeAnsweredOnce: of many right answers at once one is taken, and the
// others are not even looked at.
func TestChallengeAnsweredOnce(t *testing.T) {
	f := start(t)
	owner, _, key := f.user("alice")
	c := f.challenges()
	made := ask(t, c, about(owner, "alice", "sudo", protocol.PIV))
	var taken, looked atomic.Int32
	var group sync.WaitGroup
	for range 32 {
		a := key.signs(t, made)
		group.Go(func() {
			switch err := c.Answer(t.Context(), made.ID, a, func(_ mfa.Proof, refusal error) error {
				looked.Add(1)
				return refusal
			}); {
			case err == nil:
				taken.Add(1)
			case !errors.Is(err, mfa.ErrNoChallenge):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if taken.Load() != 1 || looked.Load() != 1 {
		t.Errorf("%d looked at, %d taken", looked.Load(), taken.Load())
	}
}

// TestChallengeUnrecorded: an answer whose record fails is no yes, and what was not
// decided does not use the challenge up.
func TestChallengeUnrecorded(t *testing.T) {
	f := start(t)
	owner, _, key := f.user("alice")
	c := f.challenges()
	made := ask(t, c, about(owner, "alice", "sudo", protocol.PIV))
	disk := errors.New("no space left")
	for range mfa.MaxRefused + 1 {
		if err := c.Answer(t.Context(), made.ID, key.signs(t, made), func(mfa.Proof, error) error { return disk }); !errors.Is(err, disk) {
			t.Error(err)
		}
	}
	func() {
		defer func() { _ = recover() }()
		_ = c.Answer(t.Context(), made.ID, key.signs(t, made), func(mfa.Proof, error) error { panic("lost") })
	}()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Answer(gone, made.ID, key.signs(t, made), released); err == nil {
		t.Error("answered by who has gone")
	}
	if got := outcome(t, c, "uid:1", made.ID); got != protocol.Pending {
		t.Error(got)
	}
	if err := c.Answer(t.Context(), made.ID, key.signs(t, made), released); err != nil {
		t.Error(err)
	}
}

// TestChallengeLate: an answer that came in time counts, though it took long; one
// that is taken back meanwhile does not.
func TestChallengeLate(t *testing.T) {
	f := start(t)
	owner, _, key := f.user("alice")
	c := f.challenges()
	made := ask(t, c, about(owner, "alice", "sudo", protocol.PIV))
	err := c.Answer(t.Context(), made.ID, key.signs(t, made), func(_ mfa.Proof, refusal error) error {
		f.now = f.now.Add(2 * time.Minute)
		if got := outcome(t, c, "uid:1", made.ID); got != protocol.Pending {
			t.Errorf("while it is answered: %s", got)
		}
		return refusal
	})
	if got := outcome(t, c, "uid:1", made.ID); err != nil || got != protocol.Verified {
		t.Errorf("%s %v", got, err)
	}
	made = ask(t, c, about(owner, "alice", "sudo", protocol.PIV))
	_ = c.Answer(t.Context(), made.ID, key.signs(t, made), func(_ mfa.Proof, refusal error) error {
		if err := c.Cancel("uid:1", made.ID); err != nil {
			t.Error(err)
		}
		return refusal
	})
	if _, err := c.Wait(t.Context(), "uid:1", made.ID, 0); !errors.Is(err, mfa.ErrNoChallenge) {
		t.Errorf("taken back, then answered: %v", err)
	}
}

// TestChallengeClaim: credentials are to be had once, by who asked, after a yes.
func TestChallengeClaim(t *testing.T) {
	f := start(t)
	owner, _, key := f.user("alice")
	c := f.challenges()
	q := about(owner, "alice", "sudo", protocol.PIV)
	plain := ask(t, c, q)
	q.Credentials = true
	made := ask(t, c, q)
	if c.Claim("uid:1", made.ID) {
		t.Error("before the answer")
	}
	for _, x := range []protocol.Challenge{plain, made} {
		if err := c.Answer(t.Context(), x.ID, key.signs(t, x), released); err != nil {
			t.Fatal(err)
		}
	}
	if c.Claim("uid:1", plain.ID) || c.Claim("uid:2", made.ID) || !c.Claim("uid:1", made.ID) || c.Claim("uid:1", made.ID) {
		t.Error("not once, or not to who asked")
	}
	c.Unclaim("uid:1", made.ID)
	if !c.Claim("uid:1", made.ID) {
		t.Error("given back in vain")
	}
}

var _ mfa.Factors = (*mfa.Service)(nil)
