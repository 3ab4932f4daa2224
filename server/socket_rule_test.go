package server_test

import (
	"encoding/json"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa/protocol"
	"github.com/keyd-hsm/keyd/server"
)

// dialAs connects as another local user, which needs root: the kernel tells the
// server the effective uid of the thread that connects. The thread ends with its
// goroutine.
func dialAs(t *testing.T, uid uint32, socket string) net.Conn {
	t.Helper()
	type result struct {
		conn net.Conn
		err  error
	}
	dialled := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			dialled <- result{nil, errno}
			return
		}
		conn, err := net.Dial("unix", socket)
		dialled <- result{conn, err}
	}()
	r := <-dialled
	if r.err != nil {
		t.Fatalf("as uid %d: %v (this test needs root)", uid, r.err)
	}
	return r.conn
}

// localAs sends a request as another local user and returns the code of the error,
// "" for none, and the answer.
func localAs(t *testing.T, uid uint32, socket, method, path, body string) (code, answer string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, Dial: func(string, string) (net.Conn, error) {
		return dialAs(t, uid, socket), nil
	}}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://keyd"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", jsonBody)
	answer = readAll(t, done(transport.RoundTrip(r))(t))
	var e protocol.Error
	if answer != "" {
		if err := json.Unmarshal([]byte(answer), &e); err != nil {
			t.Fatalf("%q: %v", answer, err)
		}
	}
	return e.Code, answer
}

// TestSocketRules: the kernel says who calls, and rules say what each may; nobody
// else's challenge is anything to anyone.
func TestSocketRules(t *testing.T) {
	kit := testkit.Start(t)
	const asker, answerer, nobody = 12001, 12002, 65534
	ask, answer := server.MayAsk, server.MayAnswer
	socket := kit.Socket(
		server.LocalRule{UIDs: []uint32{asker}, Users: []string{"alice"}, May: []server.Right{ask}},
		server.LocalRule{UIDs: []uint32{answerer}, AnyUser: true, May: []server.Right{answer}},
		server.LocalRule{Everybody: true, Self: true, May: []server.Right{ask, answer}},
	)
	about := func(user string) string { return `{"user":"` + user + `","purpose":"x"}` }
	const challenges = "/v1/challenges"
	_, text := localAs(t, asker, socket, "POST", challenges, about("alice"))
	var made protocol.Challenge
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.Asker.UID != asker || made.Asker.Name != "" {
		t.Fatalf("%s", text)
	}
	one := challenges + "/" + made.ID
	for _, test := range []struct {
		uid                uint32
		method, path, body string
		code               string
	}{
		{asker, "POST", challenges, about("bob"), "not_allowed"},
		{asker, "POST", challenges, about("Alice"), "not_allowed"},
		{asker, "POST", challenges, `{"user":"alice","purpose":"x","credentials":true}`, "not_allowed"},
		{asker, "POST", one + "/answer", `{"code":"123456"}`, "not_allowed"},
		{asker, "GET", challenges + "?user=alice", "", "not_allowed"},
		{asker, "GET", one, "", ""},
		{answerer, "POST", challenges, about("alice"), "not_allowed"},
		{answerer, "GET", challenges + "?user=alice", "", ""},
		{answerer, "GET", challenges + "?user=root", "", "not_allowed"},
		{answerer, "POST", one + "/answer", `{"code":"123456"}`, "refused"},
		{answerer, "GET", one, "", "no_such_challenge"},
		{answerer, "DELETE", one, "", "no_such_challenge"},
		{0, "POST", challenges, about("root"), "not_allowed"}, // the root user is not the self of the machine's root
		{nobody, "POST", challenges, about("nobody"), ""},
		{nobody, "POST", challenges, about("alice"), "not_allowed"},
		{nobody, "GET", one, "", "no_such_challenge"},
		{asker, "DELETE", one, "", ""},
		{asker, "GET", one, "", "no_such_challenge"},
	} {
		before := kit.Log.Size()
		code, text := localAs(t, test.uid, socket, test.method, test.path, test.body)
		if code != test.code {
			t.Errorf("uid %d: %s %s %s: %s, want %q", test.uid, test.method, test.path, test.body, text, test.code)
		}
		if events := localEvents(t, kit, before); len(events) != 1 || events[0].ErrorCode != test.code {
			t.Errorf("uid %d: %s %s: %+v", test.uid, test.method, test.path, events)
		}
	}
	for uid, n := range map[uint32]int{asker: 0, answerer: 1, nobody: 1} { // nobody's own is the one that is left
		_, text := localAs(t, uid, socket, "GET", challenges, "")
		var list protocol.Challenges
		if err := json.Unmarshal([]byte(text), &list); err != nil || len(list.Challenges) != n {
			t.Errorf("uid %d sees %s", uid, text)
		}
	}
	closed := kit.Socket(server.LocalRule{UIDs: []uint32{asker}, AnyUser: true, May: []server.Right{ask, answer}})
	for _, path := range []string{challenges, "/other"} {
		if code, text := localAs(t, nobody, closed, "GET", path, ""); code != "not_allowed" {
			t.Errorf("in no rule: %s", text)
		}
	}
}
