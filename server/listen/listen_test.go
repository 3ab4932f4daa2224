package listen_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keyd-hsm/keyd/server/listen"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const loopback = "127.0.0.1:0"

// patience bounds waits that end at once unless something is broken.
const patience = 20 * time.Second

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = w.Write(body)
}

// running is a server at work; stop ends it and returns what Run returned.
type running struct {
	*listen.Server
	stop func() error
}

func start(t *testing.T, c listen.Config, h http.HandlerFunc) running {
	t.Helper()
	c.Log = slog.New(slog.DiscardHandler)
	s, err := listen.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, h) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return running{s, stop}
}

// client makes a client of its own connections.
func client(t *testing.T, tr *http.Transport) *http.Client {
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

func dial(t *testing.T, s running, send string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	return c
}

// ends fails the test unless the server closes the connection.
func ends(t *testing.T, c net.Conn) {
	t.Helper()
	var timeout net.Error
	if _, err := io.Copy(io.Discard, c); errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the server did not close the connection")
	}
}

func post(t *testing.T, c *http.Client, url, body string) {
	t.Helper()
	resp, err := c.Post(url, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || string(got) != body {
		t.Errorf("got %d %q, %v; want the body %q back", resp.StatusCode, got, err, body)
	}
}

func TestPlainOnLoopbackOnly(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0"} {
		s, err := listen.Open(listen.Config{Addr: addr})
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: plain HTTP was allowed", addr)
		} else if !strings.Contains(err.Error(), "TLS certificate") {
			t.Errorf("%s: %v does not say what to do", addr, err)
		}
	}
	for _, addr := range []string{loopback, "127.1.2.3:0", "localhost:0"} {
		s := start(t, listen.Config{Addr: addr}, echo)
		post(t, client(t, &http.Transport{}), "http://"+s.Addr().String(), "hello")
	}
	for _, c := range []listen.Config{{}, {Addr: "127.0.0.1"}, {Addr: "127.0.0.1:http"}, {Addr: loopback, CertFile: "x"}} {
		if s, err := listen.Open(c); err == nil {
			_ = s.Close()
			t.Errorf("%+v was opened", c)
		}
	}
}

func TestSlowHeader(t *testing.T) {
	s := start(t, listen.Config{Addr: loopback, Limits: listen.Limits{Header: 50 * time.Millisecond}}, echo)
	ends(t, dial(t, s, ""))
	ends(t, dial(t, s, "POST / HTTP/1.1\r\nHost: x\r\nX-A: "))
}

func TestHugeHeader(t *testing.T) {
	s := start(t, listen.Config{Addr: loopback, Limits: listen.Limits{HeaderBytes: 1024}}, echo)
	c := dial(t, s, "POST / HTTP/1.1\r\nHost: x\r\nX-A: "+strings.Repeat("a", 16<<10)+"\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d, want 431", resp.StatusCode)
	}
}

func TestSlowBody(t *testing.T) {
	failed := make(chan error, 1)
	s := start(t, listen.Config{Addr: loopback, Limits: listen.Limits{Body: 50 * time.Millisecond}}, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		failed <- err
	})
	c := dial(t, s, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\na")
	if err := <-failed; err == nil {
		t.Error("the handler read a body that was never sent")
	}
	ends(t, c)
}

// TestBusyHandler: the body's deadline must not end a handler that has read it.
func TestBusyHandler(t *testing.T) {
	limit := 50 * time.Millisecond
	s := start(t, listen.Config{Addr: loopback, Limits: listen.Limits{Body: limit}}, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			t.Error("no body: the context ended while the handler was at work")
		case <-time.After(4 * limit):
		}
		body, _ := io.ReadAll(r.Body)
		select {
		case <-r.Context().Done():
			t.Error("the context ended while the handler was at work")
		case <-time.After(4 * limit):
		}
		_, _ = w.Write(body)
	})
	c := client(t, &http.Transport{})
	post(t, c, "http://"+s.Addr().String(), "")
	post(t, c, "http://"+s.Addr().String(), "hello")
}

func TestSlowReader(t *testing.T) {
	failed := make(chan error, 1)
	s := start(t, listen.Config{Addr: loopback, Limits: listen.Limits{Write: 50 * time.Millisecond}}, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				failed <- err
				return
			}
		}
	})
	dial(t, s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing to a client that does not read ended with %v", err)
	}
}

// TestHalfOpen fills the server with connections that say nothing, that stop in
// the header, or in the body; honest clients are served all the same.
func TestHalfOpen(t *testing.T) {
	const room = 8
	s := start(t, listen.Config{Addr: loopback, Limits: listen.Limits{
		Connections: room, Header: time.Hour, Body: time.Hour, Idle: time.Hour,
	}}, echo)
	var first net.Conn
	for i := range 3 * room {
		c := dial(t, s, []string{"", "POST / HT", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\na"}[i%3])
		if first == nil {
			first = c
		}
	}
	var clients sync.WaitGroup
	for range room / 2 {
		clients.Go(func() {
			tr := &http.Transport{DisableKeepAlives: true}
			for range 50 {
				post(t, client(t, tr), "http://"+s.Addr().String(), "hello")
			}
		})
	}
	clients.Wait()
	ends(t, first)
}

// TestAllAtWork: connections that are being answered are not given up; the next
// one waits for the first of them to end.
func TestAllAtWork(t *testing.T) {
	const room = 2
	begun, release := make(chan bool, 3), make(chan bool)
	s := start(t, listen.Config{Addr: loopback, Limits: listen.Limits{Connections: room}}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		begun <- true
		<-release
		_, _ = w.Write(body)
	})
	var clients sync.WaitGroup
	send := func() {
		clients.Go(func() {
			post(t, client(t, &http.Transport{}), "http://"+s.Addr().String(), "hello")
		})
	}
	for range room {
		send()
		<-begun
	}
	send()
	dial(t, s, "") // waits in line behind it
	release <- true
	<-begun // the third is let in once one of the first two is answered
	close(release)
	clients.Wait()
}

func TestDrain(t *testing.T) {
	begun, release := make(chan bool), make(chan bool)
	s := start(t, listen.Config{Addr: loopback}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		begun <- true
		<-release
		if r.Context().Err() != nil {
			t.Error("the context of a request in flight ended")
		}
		_, _ = w.Write(body)
	})
	halfOpen := dial(t, s, "")
	var clients sync.WaitGroup
	clients.Go(func() { post(t, client(t, &http.Transport{}), "http://"+s.Addr().String(), "hello") })
	<-begun
	stopped := make(chan error)
	go func() { stopped <- s.stop() }()
	ends(t, halfOpen) // at once, long before the limit of its header
	close(release)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	clients.Wait()
	if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("a stopped server accepts connections")
	}
}

func TestDrainCutsOff(t *testing.T) {
	begun := make(chan bool)
	s := start(t, listen.Config{Addr: loopback, Limits: listen.Limits{Drain: 50 * time.Millisecond}}, func(_ http.ResponseWriter, r *http.Request) {
		begun <- true
		<-r.Context().Done()
	})
	c := dial(t, s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	if err := s.stop(); err == nil {
		t.Error("cutting a request off was not reported")
	}
	ends(t, c)
}
