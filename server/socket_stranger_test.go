package server_test

import (
	"context"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/server"
)

// TestSocketStrangers: a local user that no rule names leaves so many events a
// minute, is told too_many for the rest, and their number is in the log when the
// minute is over.
func TestSocketStrangers(t *testing.T) {
	kit := testkit.Start(t)
	rule := testkit.Everything()
	rule.UIDs = []uint32{uint32(os.Getuid()) + 1}
	socket := kit.Socket(rule)
	before := kit.Log.Size()
	const more = 40
	counts := map[int]int{}
	ask := func() {
		status, text := local(t, socket, "GET", "/v1/challenges", "", "")
		counts[status]++
		if status == http.StatusTooManyRequests && !strings.Contains(text, "too_many") {
			t.Errorf("%s", text)
		}
	}
	for range server.StrangerEvents + more {
		ask()
	}
	if counts[http.StatusForbidden] != server.StrangerEvents || counts[http.StatusTooManyRequests] != more {
		t.Errorf("%v", counts)
	}
	if n := len(localEvents(t, kit, before)); n != server.StrangerEvents {
		t.Errorf("%d events", n)
	}
	before = kit.Log.Size()
	kit.Offset.Add(int64(time.Minute))
	ask()
	ask()
	events := localEvents(t, kit, before)
	if len(events) != 3 || events[1].ErrorCode != "not_allowed" || events[2].ErrorCode != "not_allowed" || counts[http.StatusForbidden] != server.StrangerEvents+2 {
		t.Fatalf("%+v, %v", events, counts)
	}
	if e := events[0]; e.EventName != "LeaveOutRequests" || e.ErrorCode != "too_many" || e.UserIdentity.PrincipalID != "uid:"+strconv.Itoa(os.Getuid()) ||
		e.AdditionalEventData.Count != strconv.Itoa(more) || e.AdditionalEventData.UID != strconv.Itoa(os.Getuid()) {
		t.Errorf("%+v", e)
	}
}

// TestSocketStrangersAtEnd: what was left out is in the log when the socket ends, too.
func TestSocketStrangersAtEnd(t *testing.T) {
	kit := testkit.Start(t)
	handler := kit.Server.Socket(server.SocketConfig{Region: region})
	for range server.StrangerEvents + 7 {
		handler.Stranger(4711)
	}
	before := kit.Log.Size()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := handler.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if events := localEvents(t, kit, before); len(events) != 1 || events[0].AdditionalEventData.Count != "7" {
		t.Errorf("%+v", events)
	}
}

// TestStrangersBounded: however many uids come, the table and the events are bounded,
// and a clock that is set back keeps no span open.
func TestStrangersBounded(t *testing.T) {
	var s server.Strangers
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const uids = 1000
	events := 0
	for uid := range uint32(uids) {
		for range 2 * server.StrangerEvents {
			if s.Admit(uid, now) {
				events++
			}
		}
	}
	const numbers = server.MaxStrangers + 1 // one is for all others
	if s.Size() != numbers || events != numbers*server.StrangerEvents {
		t.Errorf("%d in the table, %d events", s.Size(), events)
	}
	if left := s.Over(now.Add(time.Minute - time.Nanosecond)); len(left) != 0 {
		t.Errorf("%v before the minute is over", left)
	}
	left := s.Over(now.Add(-time.Second))
	total := 0
	for _, n := range left {
		total += n
	}
	if len(left) != numbers || total+events != uids*2*server.StrangerEvents || left["0"] != server.StrangerEvents || left["others"] == 0 {
		t.Errorf("%d left out by %d, others %d", total, len(left), left["others"])
	}
	if s.Size() != 0 || !s.Admit(1, now) {
		t.Error("no new minute")
	}
}
