package mfa_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// table makes challenges that are only asked and waited for: nothing can be answered.
func table() *mfa.Challenges { return mfa.NewChallenges(testkit.Account, nil, time.Now) }

func question(from string) mfa.Question {
	return mfa.Question{From: from, Challenge: protocol.Challenge{User: "alice", Purpose: "sudo on db1", Methods: []string{protocol.TOTP}}}
}

func ask(t *testing.T, c *mfa.Challenges, q mfa.Question) protocol.Challenge {
	t.Helper()
	made, err := c.Ask(q)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// outcome is the state of a challenge without waiting.
func outcome(t *testing.T, c *mfa.Challenges, from, id string) string {
	t.Helper()
	r, err := c.Wait(t.Context(), from, id, 0)
	if err != nil {
		t.Fatal(err)
	}
	return r.State
}

func TestChallengeExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := table()
		q := question("uid:1")
		q.TTL = 5 * time.Second
		made := ask(t, c, q)
		if len(made.ID) != 32 || len(made.Nonce) != protocol.NonceSize || made.Expires.Sub(made.Created) != q.TTL || made.Account != testkit.Account {
			t.Errorf("%+v", made)
		}
		began := time.Now()
		r, err := c.Wait(t.Context(), "uid:1", made.ID, time.Minute)
		if err != nil || r.State != protocol.Expired || time.Since(began) != q.TTL {
			t.Errorf("%v %v after %v", r.State, err, time.Since(began))
		}
		if err := c.Answer(t.Context(), made.ID, protocol.Answer{Code: "123456"}, nil); !errors.Is(err, mfa.ErrNoChallenge) {
			t.Errorf("answer to an expired challenge: %v", err)
		}
		if len(c.Pending(func(*mfa.Question) bool { return true })) > 0 {
			t.Error("it is still listed")
		}
		time.Sleep(mfa.OutcomeKept - time.Nanosecond)
		if got := outcome(t, c, "uid:1", made.ID); got != protocol.Expired {
			t.Error(got)
		}
		time.Sleep(time.Nanosecond)
		if _, err := c.Wait(t.Context(), "uid:1", made.ID, 0); !errors.Is(err, mfa.ErrNoChallenge) {
			t.Errorf("after a minute: %v", err)
		}
	})
}

// TestChallengeWait: a wait ends with its time, its context, the challenge or the
// table, and leaves nothing behind.
func TestChallengeWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := table()
		made := ask(t, c, question("uid:1"))
		began := time.Now()
		if r, err := c.Wait(t.Context(), "uid:1", made.ID, 3*time.Second); err != nil || r.State != protocol.Pending || time.Since(began) != 3*time.Second {
			t.Errorf("%v %v after %v", r.State, err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		wait := func(ctx context.Context) {
			_, err := c.Wait(ctx, "uid:1", made.ID, time.Minute)
			ended <- err
		}
		go wait(ctx)
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		go wait(t.Context())
		synctest.Wait()
		if err := c.Cancel("uid:2", made.ID); !errors.Is(err, mfa.ErrNoChallenge) {
			t.Errorf("another's challenge taken back: %v", err)
		}
		if err := c.Cancel("uid:1", made.ID); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, mfa.ErrNoChallenge) {
			t.Error(err)
		}
		made = ask(t, c, question("uid:1"))
		go wait(t.Context())
		synctest.Wait()
		c.Close()
		c.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := c.Ask(question("uid:1")); !errors.Is(err, mfa.ErrTooMany) {
			t.Errorf("asked of a closed table: %v", err)
		}
	})
}

// TestChallengeIDs: an id that was guessed, or seen by somebody else, is good for
// nothing.
func TestChallengeIDs(t *testing.T) {
	c := table()
	made := ask(t, c, question("uid:1"))
	other := made.ID[:31] + string("0123456789abcdef"[(made.ID[31]+1)%16])
	for _, id := range []string{"", "x", made.ID + "0", made.ID[:31], other} {
		if _, err := c.Find(id); !errors.Is(err, mfa.ErrNoChallenge) && id != made.ID {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := c.Wait(t.Context(), "uid:2", made.ID, time.Minute); !errors.Is(err, mfa.ErrNoChallenge) {
		t.Errorf("another's outcome: %v", err)
	}
	if again := ask(t, c, question("uid:1")); again.ID == made.ID || string(again.Nonce) == string(made.Nonce) {
		t.Error("made twice")
	}
}

// TestChallengeOutcomesBounded: one who asks and asks keeps a bounded number of
// outcomes, the latest.
func TestChallengeOutcomesBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := table()
		q := question("uid:1")
		q.TTL = mfa.MinTTL
		first := ask(t, c, q)
		var last protocol.Challenge
		for range mfa.MaxOpen {
			time.Sleep(500 * time.Millisecond)
			last = ask(t, c, q)
		}
		time.Sleep(mfa.MinTTL)
		c.Pending(func(*mfa.Question) bool { return true })
		if _, err := c.Wait(t.Context(), "uid:1", first.ID, 0); !errors.Is(err, mfa.ErrNoChallenge) {
			t.Errorf("the first is still there: %v", err)
		}
		if got := outcome(t, c, "uid:1", last.ID); got != protocol.Expired {
			t.Error(got)
		}
	})
}

// TestChallengeWaitWhileAnswered: who begins to wait while a wrong answer is being
// checked learns of the expiry when it is there, or, if that answer takes longer,
// with the answer.
func TestChallengeWaitWhileAnswered(t *testing.T) {
	const ttl = 5 * time.Second
	for checked, want := range map[time.Duration]time.Duration{2 * time.Second: ttl, 8 * time.Second: 8 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c := table()
			q := question("uid:1")
			q.TTL = ttl
			made := ask(t, c, q)
			began := time.Now()
			answered := make(chan error)
			go func() { // of no method that was asked for
				answered <- c.Answer(t.Context(), made.ID, protocol.Answer{Device: "d"}, func(_ mfa.Proof, refusal error) error {
					time.Sleep(checked)
					return refusal
				})
			}()
			time.Sleep(time.Second)
			r, err := c.Wait(t.Context(), "uid:1", made.ID, time.Minute)
			if took := time.Since(began); err != nil || r.State != protocol.Expired || took != want {
				t.Errorf("checked for %v: %s %v after %v, want %v", checked, r.State, err, took, want)
			}
			if err := <-answered; !errors.Is(err, mfa.ErrMethod) {
				t.Error(err)
			}
		})
	}
}
