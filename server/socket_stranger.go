package server

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// What local users that no rule names may write into the audit log. Every request is
// an event on disk, and without a limit they could fill it.
const (
	strangerEvents = 60          // of one uid in a span
	strangerSpan   = time.Minute // for all the same one
	maxStrangers   = 64          // uids with a number of their own in a span; all others share one
)

// strangers count the requests of local users that no rule names. The zero value is
// ready, and safe for concurrent use.
type strangers struct {
	mu    sync.Mutex // guards the rest
	since time.Time  // when the span began; zero before the first
	seen  map[strangerKey]int
}

// A strangerKey is a uid, or all those that have no number of their own.
type strangerKey struct {
	uid    uint32
	others bool
}

func (s strangerKey) String() string {
	if s.others {
		return "others"
	}
	return uidText(s.uid)
}

// A leftOut is how many requests left no event in a span.
type leftOut struct {
	who         strangerKey
	count       int
	since, till time.Time
}

// admit counts a request and reports whether it leaves an event.
func (s *strangers) admit(uid uint32, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) == 0 {
		s.since, s.seen = now, map[strangerKey]int{}
	}
	who := strangerKey{uid: uid}
	if _, ok := s.seen[who]; !ok && len(s.seen) >= maxStrangers {
		who = strangerKey{others: true}
	}
	s.seen[who]++
	return s.seen[who] <= strangerEvents
}

// over ends the span if it is over, also where the clock was set back, or for good
// if it is the last, and returns what it left out.
func (s *strangers) over(now time.Time, last bool) (list []leftOut) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.since); !last && age >= 0 && age < strangerSpan {
		return nil
	}
	for who, n := range s.seen {
		if n > strangerEvents {
			list = append(list, leftOut{who, n - strangerEvents, s.since, now})
		}
	}
	s.seen = nil
	return list
}

// stranger answers a local user that no rule names.
func (k *Socket) stranger(c *localCall) (int, any) {
	k.recordLeftOut(k.strangers.over(c.received, false))
	if k.strangers.admit(c.peer.UID, c.received) {
		c.name = nameOf(c.peer.UID)
		return k.finish(c, nil, notAllowed(fmt.Sprintf("uid %d is in no rule under mfa.local_users of the configuration", c.peer.UID)))
	}
	c.recorded = true // by its number, later
	c.w.Header().Set("Connection", "close")
	return k.finish(c, nil, &localFault{
		code: protocol.CodeTooMany, message: "No rule under mfa.local_users of the configuration names this user, who asks too often.",
		status: http.StatusTooManyRequests,
	})
}

// recordLeftOut puts into the audit log how many requests left no event. What the
// log does not take, keyd's own log has.
func (k *Socket) recordLeftOut(list []leftOut) {
	for _, l := range list {
		e, err := k.leftOutEvent(l)
		if err == nil {
			err = k.append(e)
		}
		if err != nil {
			k.Logger.Error("requests on the MFA socket left no audit event", "uid", l.who.String(), "count", l.count, "error", err)
		}
	}
}

func (k *Socket) leftOutEvent(l leftOut) (*audit.Event, error) {
	e := k.newEvent(l.till, k.Region)
	e.EventName, e.EventSource, e.SourceIPAddress = "LeaveOutRequests", mfaapi.Service.EventSource, "local socket"
	e.UserIdentity = audit.UserIdentity{Type: "LocalUser", PrincipalID: "uid:" + l.who.String(), AccountID: k.Account}
	e.ErrorCode = protocol.CodeTooMany
	e.ErrorMessage = fmt.Sprintf("%d requests of a local user that no rule under mfa.local_users names left no event", l.count)
	var err error
	e.AdditionalEventData, err = document(map[string]any{
		"uid": l.who.String(), "count": strconv.Itoa(l.count), "since": l.since.UTC().Format(time.RFC3339), "till": l.till.UTC().Format(time.RFC3339),
	})
	return e, err
}
