package mfa_test

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// questionAbout is question about another user; owner is "" for one that is not there.
func questionAbout(from, owner, user string) mfa.Question {
	q := question(from)
	q.Owner, q.User = owner, user
	return q
}

// fill asks until it is too much, n times at most, and says how often it could.
func fill(t *testing.T, c *mfa.Challenges, q mfa.Question, n int) (asked int) {
	t.Helper()
	for ; asked < n; asked++ {
		if _, err := c.Ask(q); errors.Is(err, mfa.ErrTooMany) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return asked
}

// TestChallengeLimits: so many are about one user, whatever the case of the name, so
// many of one asker, and so many there are; and nothing is left of them behind.
func TestChallengeLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := table()
		asked := 0
		for uid := range mfa.MaxOpenAll/mfa.MaxOpenAsker + 1 {
			n := 0
			for i := range mfa.MaxOpenAsker/mfa.MaxOpen + 1 {
				n += fill(t, c, questionAbout("uid:"+strconv.Itoa(uid), "", "user"+strconv.Itoa(i)), 2*mfa.MaxOpen)
			}
			if asked += n; n != mfa.MaxOpenAsker && asked < mfa.MaxOpenAll {
				t.Errorf("uid %d may have %d", uid, n)
			}
		}
		if open, _, _ := c.Sizes(); asked != mfa.MaxOpenAll || open != asked {
			t.Errorf("%d in all, %d in the table", asked, open)
		}
		if n := len(c.Pending(func(*mfa.Question) bool { return true })); n != mfa.MaxListed {
			t.Errorf("%d are listed", n)
		}
		time.Sleep(mfa.DefaultTTL)
		ask(t, c, question("uid:0")) // what has expired is in nobody's way
		if open, ended, shares := c.Sizes(); open != 1 || ended != mfa.MaxOpenAll || shares > 2*mfa.MaxOpenAll {
			t.Errorf("%d open, %d ended, in %d shares", open, ended, shares)
		}
		time.Sleep(mfa.MaxTTL)
		c.Pending(func(*mfa.Question) bool { return true })
		if open, ended, shares := c.Sizes(); open+ended+shares != 0 {
			t.Errorf("left behind: %d open, %d ended, in %d shares", open, ended, shares)
		}
	})
}

// TestChallengeLimitIsOfUser: under PAM one uid asks for everybody. Questions about
// one user take no place from those about another, however the one's name is written,
// and whether or not there is such a user; nor do they push the other's outcomes out.
func TestChallengeLimitIsOfUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, owner := range []string{"", "AIDAMALLORY"} {
			c := table()
			q := questionAbout("uid:0", "AIDAALICE", "alice")
			q.TTL = mfa.MinTTL
			first := ask(t, c, q)
			time.Sleep(mfa.MinTTL)
			for range 3 {
				n := fill(t, c, questionAbout("uid:0", owner, "mallory"), mfa.MaxOpen/2)
				n += fill(t, c, questionAbout("uid:0", owner, "MALLORY"), mfa.MaxOpen)
				if n != mfa.MaxOpen {
					t.Errorf("%d about mallory", n)
				}
				ask(t, c, q)
				if got := outcome(t, c, "uid:0", first.ID); got != protocol.Expired {
					t.Error(got)
				}
				for _, made := range c.Pending(func(*mfa.Question) bool { return true }) {
					if err := c.Cancel("uid:0", made.ID); err != nil {
						t.Error(err)
					}
				}
			}
		}
	})
}

// TestChallengeWaitsBounded: so many wait about one user, of one asker, and in all.
func TestChallengeWaitsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := table()
		ended := make(chan error)
		waiting := 0
		wait := func(from, id string) {
			for range mfa.MaxWaits {
				waiting++
				go func() {
					_, err := c.Wait(t.Context(), from, id, 30*time.Second)
					ended <- err
				}()
			}
			synctest.Wait()
		}
		refused := func(from, id string) {
			t.Helper()
			if _, err := c.Wait(t.Context(), from, id, time.Minute); !errors.Is(err, mfa.ErrTooMany) {
				t.Errorf("one more of %s: %v", from, err)
			}
		}
		var last protocol.Challenge
		for uid := range mfa.MaxWaitsAll / mfa.MaxWaitsAsker {
			from := "uid:" + strconv.Itoa(uid)
			for i := range mfa.MaxWaitsAsker / mfa.MaxWaits {
				last = ask(t, c, questionAbout(from, "", "user"+strconv.Itoa(i)))
				wait(from, last.ID)
				refused(from, last.ID)
			}
			refused(from, ask(t, c, questionAbout(from, "", "other")).ID)
		}
		refused("uid:x", ask(t, c, question("uid:x")).ID)
		if waiting != mfa.MaxWaitsAll {
			t.Errorf("%d wait", waiting)
		}
		for range waiting {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if got := outcome(t, c, "uid:1", last.ID); got != protocol.Pending {
			t.Error(got)
		}
		time.Sleep(mfa.MaxTTL)
		c.Pending(func(*mfa.Question) bool { return true })
		if open, gone, shares := c.Sizes(); open+gone+shares != 0 {
			t.Errorf("left behind: %d open, %d ended, in %d shares", open, gone, shares)
		}
	})
}
