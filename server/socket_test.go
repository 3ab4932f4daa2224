package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa/client"
	"github.com/keyd-hsm/keyd/mfa/protocol"
	"github.com/keyd-hsm/keyd/server"
)

// A localEvent is what the log says of a request on the MFA socket.
type localEvent struct {
	EventName, EventSource, ErrorCode, ErrorMessage, SourceIPAddress, RequestID string
	ReadOnly                                                                    bool
	UserIdentity                                                                struct{ Type, PrincipalID string }
	RequestParameters, ResponseElements                                         map[string]any
	AdditionalEventData                                                         struct{ UID, PID, LocalUser, Count string }
}

func localEvents(t *testing.T, kit *testkit.Kit, from int64) []localEvent {
	t.Helper()
	var list []localEvent
	for _, text := range kit.Events(from) {
		var e localEvent
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

// enrolled makes a user with a phone.
func enrolled(t *testing.T, kit *testkit.Kit, name string) *phone {
	t.Helper()
	kit.UserWithKey(name)
	p := newPhone(t, kit, name+"-phone")
	if err := p.enable(name); err != nil {
		t.Fatal(err)
	}
	return p
}

// is reports whether keyd refused with that code.
func is(err error, code string) bool {
	var refusal *protocol.Error
	return errors.As(err, &refusal) && refusal.Code == code
}

func puts(t *testing.T, c *client.Client, a protocol.Ask) protocol.Challenge {
	t.Helper()
	return done(c.Ask(t.Context(), a))(t)
}

// TestSocket: one program asks and waits, another finds the question and answers it.
func TestSocket(t *testing.T) {
	kit := testkit.Start(t)
	p := enrolled(t, kit, "alice")
	c, ctx := client.New(kit.Socket(testkit.Everything())), t.Context()
	before := kit.Log.Size()
	made := puts(t, c, protocol.Ask{User: "alice", Purpose: "sudo on db1", TTLSeconds: 300})
	if made.Version != 1 || made.User != "alice" || made.Purpose != "sudo on db1" || made.Expires.Sub(made.Created) != 5*time.Minute ||
		fmt.Sprint(made.Methods) != "[totp]" || made.Asker.UID != uint32(os.Getuid()) || made.Asker.PID != int32(os.Getpid()) {
		t.Errorf("%+v", made)
	}
	type result struct {
		protocol.Outcome
		err error
	}
	waited := make(chan result)
	go func() {
		out, err := c.Wait(ctx, made.ID)
		waited <- result{out, err}
	}()
	for _, user := range []string{"", "alice"} {
		if list := done(c.Pending(ctx, user))(t); len(list) != 1 || list[0].ID != made.ID || !bytes.Equal(list[0].Nonce, made.Nonce) {
			t.Errorf("pending of %q: %+v", user, list)
		}
	}
	if list := done(c.Pending(ctx, "bob"))(t); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	code := *p.next()
	if err := c.Answer(ctx, made.ID, protocol.Answer{Code: code}); err != nil {
		t.Fatal(err)
	}
	if r := <-waited; r.err != nil || r.State != protocol.Verified || r.Method != protocol.TOTP || r.Device != *p.serial {
		t.Errorf("%+v", r)
	}
	if err := c.Answer(ctx, made.ID, protocol.Answer{Code: code}); !is(err, protocol.CodeNoSuch) {
		t.Errorf("replayed: %v", err)
	}
	again := puts(t, c, protocol.Ask{User: "alice", Purpose: "sudo on db1"})
	if err := c.Answer(ctx, again.ID, protocol.Answer{Code: code}); !is(err, protocol.CodeRefused) {
		t.Errorf("replayed to the next: %v", err)
	}
	if err := c.Cancel(ctx, again.ID); err != nil {
		t.Error(err)
	}
	if _, err := c.Wait(ctx, again.ID); !is(err, protocol.CodeNoSuch) {
		t.Errorf("taken back: %v", err)
	}

	names := make(map[string]int)
	for _, e := range localEvents(t, kit, before) {
		names[e.EventName+" "+e.ErrorCode]++
		if e.EventSource != "mfa.keyd" || e.SourceIPAddress != "local socket" || e.UserIdentity.Type != "LocalUser" ||
			e.AdditionalEventData.UID != strconv.Itoa(os.Getuid()) || e.AdditionalEventData.PID != strconv.Itoa(os.Getpid()) ||
			e.UserIdentity.PrincipalID != "uid:"+e.AdditionalEventData.UID {
			t.Errorf("%+v", e)
		}
	}
	want := map[string]int{"CreateChallenge ": 2, "ListChallenges ": 3, "AnswerChallenge ": 1, "GetChallengeOutcome ": 1, "DeleteChallenge ": 1,
		"AnswerChallenge no_such_challenge": 1, "AnswerChallenge refused": 1, "GetChallengeOutcome no_such_challenge": 1}
	if fmt.Sprint(names) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", names, want)
	}
	for _, text := range kit.Events(before) {
		if strings.Contains(string(text), code) {
			t.Errorf("the code is in the log: %s", text)
		}
	}
}

// local sends a request as it is, and returns the answer as it is.
func local(t *testing.T, socket, method, path, contentType, body string) (status int, answer string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://keyd"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, readAll(t, resp)
}

func readAll(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	return string(done(io.ReadAll(resp.Body))(t))
}

const jsonBody = "application/json"

// TestSocketStrict: what is not exactly a request is refused, leaves one event, and
// nothing else.
func TestSocketStrict(t *testing.T) {
	kit := testkit.Start(t)
	socket := kit.Socket(testkit.Everything())
	id := puts(t, client.New(socket), protocol.Ask{User: "alice", Purpose: "x"}).ID
	ask := func(more string) string { return `{"user":"alice","purpose":"x"` + more + `}` }
	const challenges = "/v1/challenges"
	for name, test := range map[string]struct{ method, path, contentType, body, code string }{
		"unknown member":       {"POST", challenges, jsonBody, ask(`,"admin":true`), "invalid"},
		"member twice":         {"POST", challenges, jsonBody, ask(`,"user":"bob"`), "invalid"},
		"member in capitals":   {"POST", challenges, jsonBody, `{"User":"alice","purpose":"x"}`, "invalid"},
		"member in an array":   {"POST", challenges, jsonBody, ask(`,"methods":{"a":1}`), "invalid"},
		"text behind":          {"POST", challenges, jsonBody, ask("") + "{}", "invalid"},
		"invalid UTF-8":        {"POST", challenges, jsonBody, "{\"user\":\"alice\",\"purpose\":\"\xff\"}", "invalid"},
		"no JSON":              {"POST", challenges, jsonBody, "user=alice", "invalid"},
		"null":                 {"POST", challenges, jsonBody, "null", "invalid"},
		"nothing":              {"POST", challenges, jsonBody, "", "invalid"},
		"another type":         {"POST", challenges, "text/plain", ask(""), "invalid"},
		"long":                 {"POST", challenges, jsonBody, ask(`,"methods":["` + strings.Repeat("x", 16<<10) + `"]`), "invalid"},
		"no user":              {"POST", challenges, jsonBody, `{"purpose":"x"}`, "invalid"},
		"user with a path":     {"POST", challenges, jsonBody, `{"user":"a/b","purpose":"x"}`, "invalid"},
		"no purpose":           {"POST", challenges, jsonBody, `{"user":"alice"}`, "invalid"},
		"purpose on two lines": {"POST", challenges, jsonBody, `{"user":"alice","purpose":"lunch\nsudo"}`, "invalid"},
		"purpose of a blank":   {"POST", challenges, jsonBody, `{"user":"alice","purpose":"  "}`, "invalid"},
		"purpose unseen":       {"POST", challenges, jsonBody, `{"user":"alice","purpose":"lunch\u3164sudo"}`, "invalid"},
		"purpose turned":       {"POST", challenges, jsonBody, `{"user":"alice","purpose":"lunch \u202e odus"}`, "invalid"},
		"long purpose":         {"POST", challenges, jsonBody, `{"user":"alice","purpose":"` + strings.Repeat("ä", 201) + `"}`, "invalid"},
		"unknown method":       {"POST", challenges, jsonBody, ask(`,"methods":["sms"]`), "invalid"},
		"method twice":         {"POST", challenges, jsonBody, ask(`,"methods":["totp","totp"]`), "invalid"},
		"short life":           {"POST", challenges, jsonBody, ask(`,"ttl_seconds":4`), "invalid"},
		"long life":            {"POST", challenges, jsonBody, ask(`,"ttl_seconds":601`), "invalid"},
		"endless life":         {"POST", challenges, jsonBody, ask(`,"ttl_seconds":9223372036854775807`), "invalid"},
		"duration of nothing":  {"POST", challenges, jsonBody, ask(`,"duration_seconds":900`), "invalid"},
		"long duration":        {"POST", challenges, jsonBody, ask(`,"credentials":true,"duration_seconds":129601`), "invalid"},
		"query of ask":         {"POST", challenges + "?user=alice", jsonBody, ask(""), "invalid"},
		"no such methods":      {"POST", challenges, jsonBody, ask(`,"methods":["piv"]`), "refused"},
		"empty answer":         {"POST", challenges + "/" + id + "/answer", jsonBody, `{}`, "invalid"},
		"two answers":          {"POST", challenges + "/" + id + "/answer", jsonBody, `{"code":"1","device":"d","signature":"AAAA"}`, "invalid"},
		"half an answer":       {"POST", challenges + "/" + id + "/answer", jsonBody, `{"device":"d"}`, "invalid"},
		"signature no base64":  {"POST", challenges + "/" + id + "/answer", jsonBody, `{"device":"d","signature":"A"}`, "invalid"},
		"long code":            {"POST", challenges + "/" + id + "/answer", jsonBody, `{"code":"` + strings.Repeat("1", 65) + `"}`, "invalid"},
		"guessed id":           {"POST", challenges + "/" + strings.Repeat("0", 32) + "/answer", jsonBody, `{"code":"1"}`, "no_such_challenge"},
		"list, unknown":        {"GET", challenges + "?users=alice", "", "", "invalid"},
		"list, twice":          {"GET", challenges + "?user=alice&user=bob", "", "", "invalid"},
		"list, no name":        {"GET", challenges + "?user=", "", "", "invalid"},
		"list, a body":         {"GET", challenges, jsonBody, "{}", "invalid"},
		"list, malformed":      {"GET", challenges + "?user=%zz", "", "", "invalid"},
		"long wait":            {"GET", challenges + "/" + id + "?wait=61", "", "", "invalid"},
		"negative wait":        {"GET", challenges + "/" + id + "?wait=-1", "", "", "invalid"},
		"other method":         {"PUT", challenges + "/" + id, jsonBody, "{}", "invalid"},
		"other version":        {"POST", "/v2/challenges", jsonBody, ask(""), "invalid"},
		"slash behind":         {"GET", challenges + "/" + id + "/", "", "", "invalid"},
		"path escaped":         {"GET", challenges + "/" + id[:31] + "%30", "", "", "invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			before := kit.Log.Size()
			status, body := local(t, socket, test.method, test.path, test.contentType, test.body)
			var e protocol.Error
			if err := json.Unmarshal([]byte(body), &e); err != nil || e.Code != test.code || e.Message == "" || status < 400 || status >= 500 {
				t.Errorf("HTTP %d %s", status, body)
			}
			if events := localEvents(t, kit, before); len(events) != 1 || events[0].ErrorCode != test.code || events[0].ErrorMessage == "" {
				t.Errorf("%+v", events)
			}
		})
	}
	if list := done(client.New(socket).Pending(t.Context(), ""))(t); len(list) != 1 {
		t.Errorf("%d challenges are there", len(list))
	}
}

// TestSocketUnknownUser: one that does not exist, one without device and one with a
// phone look the same, byte for byte, and so does every no.
func TestSocketUnknownUser(t *testing.T) {
	kit := testkit.Start(t)
	socket := kit.Socket(testkit.Everything())
	enrolled(t, kit, "phone").next()
	kit.UserWithKey("plain")
	var first [4]string
	for _, user := range []string{"phone", "plain", "ghost"} {
		status, text := local(t, socket, "POST", "/v1/challenges", jsonBody, `{"user":"`+user+`","purpose":"x"}`)
		var made protocol.Challenge
		if err := json.Unmarshal([]byte(text), &made); err != nil || status != http.StatusCreated {
			t.Fatalf("HTTP %d %s", status, text)
		}
		form := strings.NewReplacer(made.ID, "ID", user, "USER", jsonOf(t, made.Nonce), "NONCE",
			jsonOf(t, made.Created), "CREATED", jsonOf(t, made.Expires), "EXPIRES").Replace(text)
		got := [4]string{form}
		for i, body := range []string{`{"code":"000000"}`, `{"code":"ABCD-EFGH-IJKL-MNOP"}`, `{"device":"arn:aws:iam::111122223333:mfa/x","signature":"AAAA"}`} {
			before := kit.Log.Size()
			status, text := local(t, socket, "POST", "/v1/challenges/"+made.ID+"/answer", jsonBody, body)
			got[i+1] = strconv.Itoa(status) + text
			if e := localEvents(t, kit, before); len(e) != 1 || e[0].ErrorCode != "refused" || strings.Contains(e[0].ErrorMessage, "refused") {
				t.Errorf("%s: %+v", user, e)
			}
		}
		if first[0] == "" {
			first = got
		}
		if got != first {
			t.Errorf("%s:\n%q\nwant\n%q", user, got, first)
		}
	}
	if first[1] != first[2] || first[2] != first[3] {
		t.Errorf("%q", first)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	return string(done(json.Marshal(v))(t))
}

// TestSocketUnlogged: without an event on disk nobody hears a yes, though the code
// was right; nor anything else.
func TestSocketUnlogged(t *testing.T) {
	kit := testkit.Start(t)
	p := enrolled(t, kit, "alice")
	c := client.New(kit.Socket(testkit.Everything()))
	made := puts(t, c, protocol.Ask{User: "alice", Purpose: "x", TTLSeconds: 600})
	waited := make(chan error)
	go func() {
		out, err := c.Wait(t.Context(), made.ID)
		if err == nil {
			err = fmt.Errorf("state %s", out.State)
		}
		waited <- err
	}()
	if err := kit.Log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Answer(t.Context(), made.ID, protocol.Answer{Code: *p.next()}); !is(err, protocol.CodeInternal) {
		t.Errorf("answer: %v", err)
	}
	if err := c.Cancel(t.Context(), made.ID); !is(err, protocol.CodeInternal) {
		t.Error(err)
	}
	if err := <-waited; !is(err, protocol.CodeInternal) {
		t.Errorf("wait: %v", err)
	}
}

// TestSocketLeavesNothing: clients that wait and go leave nothing behind, and one
// user has so many at a time.
func TestSocketLeavesNothing(t *testing.T) {
	kit := testkit.Start(t)
	c := client.New(kit.Socket(testkit.Everything()))
	made := puts(t, c, protocol.Ask{User: "alice", Purpose: "x", TTLSeconds: 600})
	none := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	const waiting = 80
	for range waiting {
		go func() {
			_, err := c.Wait(ctx, made.ID)
			ended <- err
		}()
	}
	refused := 0
	for range waiting - 16 {
		if err := <-ended; !is(err, protocol.CodeTooMany) {
			t.Error(err)
		}
		refused++
	}
	cancel()
	for range waiting - refused {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	goleak.VerifyNone(t, none)
}

// TestSocketTooMany: one local user has so many challenges about one user at a time,
// as many about the next, and gives the place of one free by taking it back.
func TestSocketTooMany(t *testing.T) {
	kit := testkit.Start(t)
	c := client.New(kit.Socket(testkit.Everything()))
	kit.UserWithKey("alice")
	var last protocol.Challenge
	for _, user := range []string{"mallory", "alice"} {
		for range 16 {
			last = puts(t, c, protocol.Ask{User: user, Purpose: "x", TTLSeconds: 600})
		}
		if _, err := c.Ask(t.Context(), protocol.Ask{User: strings.ToUpper(user), Purpose: "x"}); !is(err, protocol.CodeTooMany) {
			t.Error(err)
		}
	}
	if err := c.Cancel(t.Context(), last.ID); err != nil {
		t.Error(err)
	}
	puts(t, c, protocol.Ask{User: "alice", Purpose: "x"})
}

// TestSocketNeedsUnix: over TCP nobody knows who calls.
func TestSocketNeedsUnix(t *testing.T) {
	kit := testkit.Start(t)
	hs := httptest.NewServer(kit.Server.Socket(server.SocketConfig{Rules: []server.LocalRule{{Everybody: true, AnyUser: true, May: []server.Right{server.MayAsk}}}}))
	defer hs.Close()
	resp, err := http.Post(hs.URL+"/v1/challenges", jsonBody, strings.NewReader(`{"user":"alice","purpose":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("HTTP %d", resp.StatusCode)
	}
}
