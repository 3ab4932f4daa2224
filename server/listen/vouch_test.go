package listen_test

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/server/listen"
)

// vouching takes every client that gets a request through for a known one.
func vouching(w http.ResponseWriter, r *http.Request) {
	listen.Vouch(r.Context())
	echo(w, r)
}

// reused posts and reports whether it was on a connection used before.
func reused(t *testing.T, c *http.Client, url string) (reused bool) {
	t.Helper()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused },
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Error(err)
		return false
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	return reused
}

// TestKnownStays: when the listener is full, strangers go before a client that
// has been vouched for, though it has waited longer than they.
func TestKnownStays(t *testing.T) {
	s := start(t, listen.Config{Addr: loopback, Limits: listen.Limits{Connections: 4}}, vouching)
	url, known := "http://"+s.Addr().String(), client(t, &http.Transport{})
	reused(t, known, url)
	first := dial(t, s, "")
	time.Sleep(50 * time.Millisecond)
	for range 3 {
		dial(t, s, "")
	}
	ends(t, first)
	if !reused(t, known, url) {
		t.Error("the known client's connection was closed for a stranger's")
	}
}

// TestKnownMakesWay: a listener full of known clients that ask for nothing lets
// a stranger in.
func TestKnownMakesWay(t *testing.T) {
	s := start(t, listen.Config{Addr: loopback, Limits: listen.Limits{Connections: 3}}, vouching)
	url := "http://" + s.Addr().String()
	for range 3 {
		reused(t, client(t, &http.Transport{}), url)
	}
	post(t, client(t, &http.Transport{}), url, "from a stranger")
}
