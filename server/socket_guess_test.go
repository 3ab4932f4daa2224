package server_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/client"
	"github.com/keyd-hsm/keyd/mfa/protocol"
	"github.com/keyd-hsm/keyd/server"
	"github.com/keyd-hsm/keyd/store"
)

// frozen is a server with the kit's parts whose devices have a clock that moves
// when it is told to.
func frozen(t *testing.T, kit *testkit.Kit) (s *server.Server, clock *atomic.Int64) {
	t.Helper()
	clock = new(atomic.Int64)
	clock.Store(kit.OATHTime().UnixNano())
	cfg := kit.Server.Config
	devices := kit.MFA.Config
	devices.RealTime = func() time.Time { return time.Unix(0, clock.Load()) }
	cfg.MFA = mfa.New(devices)
	return done(server.New(t.Context(), cfg))(t), clock
}

// TestSocketGuesses: of ten thousand guesses at once on one user, three are looked
// at, and one more each time that the delay has passed.
func TestSocketGuesses(t *testing.T) {
	guesses := 10_000
	if testing.Short() {
		guesses = 500
	}
	kit := testkit.Start(t)
	p := enrolled(t, kit, "alice")
	p.next()
	right := map[string]bool{}
	for step := -2; step <= 2; step++ {
		right[*p.code(step)] = true
	}
	s, clock := frozen(t, kit)
	c := client.New(kit.SocketOf(s, testkit.Everything()))
	before := kit.Log.Size()

	var left, refused atomic.Int64
	guess := func(n int) {
		left.Store(int64(n))
		var group sync.WaitGroup
		for range 16 { // as many questions about one user as may be
			group.Go(func() {
				for left.Load() > 0 {
					made, err := c.Ask(t.Context(), protocol.Ask{User: "alice", Purpose: "x"})
					if err != nil {
						t.Error(err)
						return
					}
					for range 3 {
						n := left.Add(-1)
						if n < 0 {
							break
						}
						code := fmt.Sprintf("%06d", n)
						if right[code] {
							code = "999999"
						}
						if err := c.Answer(t.Context(), made.ID, protocol.Answer{Code: code}); !is(err, protocol.CodeRefused) {
							t.Errorf("guess %d: %v", n, err)
						}
						refused.Add(1)
					}
					_ = c.Cancel(t.Context(), made.ID) // it may be rejected already
				}
			})
		}
		group.Wait()
	}
	looked := func() (failures int) {
		t.Helper()
		kit.Update(func(tx store.Tx) error {
			u, err := kit.Identities.User(t.Context(), tx, "alice")
			if err != nil {
				return err
			}
			status, err := kit.MFA.Describe(tx, u.ID)
			failures = status.Failures
			return err
		})
		return failures
	}
	guess(guesses)
	if n := looked(); n != 3 {
		t.Errorf("%d guesses were looked at", n)
	}
	for i := range 3 {
		clock.Add(int64(time.Second << i))
		guess(100)
		if n := looked(); n != 4+i {
			t.Errorf("after %v: %d guesses were looked at", time.Second<<i, n)
		}
	}
	var answered, wrong int64
	for _, e := range localEvents(t, kit, before) {
		if e.EventName == "AnswerChallenge" {
			answered++
			if strings.Contains(e.ErrorMessage, "wrong MFA code") {
				wrong++
			}
		}
	}
	if answered != refused.Load() || wrong != 6 || answered < int64(guesses) {
		t.Errorf("%d refused, %d in the log, %d of those as wrong", refused.Load(), answered, wrong)
	}
}
