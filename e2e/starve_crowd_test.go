package e2e_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A crowd is hostile clients. Each opens a connection again as soon as it has
// lost one.
type crowd struct {
	addr           string
	opened, closed atomic.Int64
}

// startCrowd lets them in, more than the listener takes, until the test ends.
func startCrowd(t *testing.T, addr string) *crowd {
	t.Helper()
	c := &crowd{addr: addr}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, kind := range []struct {
		number int
		behave func(context.Context, net.Conn)
	}{
		{2 * connections, halfOpen}, {30, slowHeader}, {30, slowBody}, {20, neverRead},
	} {
		for range kind.number {
			group.Go(func() { c.keep(ctx, kind.behave) })
		}
	}
	t.Cleanup(func() {
		cancel()
		group.Wait()
	})
	for end := time.Now().Add(patience); c.opened.Load() <= connections && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	return c
}

// keep holds a connection until ctx ends.
func (c *crowd) keep(ctx context.Context, behave func(context.Context, net.Conn)) {
	for ctx.Err() == nil {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.addr)
		if err == nil {
			c.opened.Add(1)
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			behave(ctx, conn)
			stop()
			conn.Close()
			c.closed.Add(1)
		}
		pause(ctx, 50*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// halfOpen says nothing.
func halfOpen(_ context.Context, conn net.Conn) {
	_, _ = io.Copy(io.Discard, conn)
}

const hostileHeader = "POST / HTTP/1.1\r\nHost: keyd\r\nContent-Type: application/x-amz-json-1.1\r\n" +
	"X-Amz-Target: TrentService.Encrypt\r\n"

// slowHeader sends a header byte by byte.
func slowHeader(ctx context.Context, conn net.Conn) {
	drip(ctx, conn, hostileHeader+"X-Long: "+strings.Repeat("x", 8000))
}

// slowBody sends a header at once and the body byte by byte.
func slowBody(ctx context.Context, conn net.Conn) {
	if _, err := io.WriteString(conn, hostileHeader+"Content-Length: 8000\r\n\r\n"); err == nil {
		drip(ctx, conn, strings.Repeat(" ", 8000))
	}
}

func drip(ctx context.Context, conn net.Conn, text string) {
	for i := range len(text) {
		if _, err := io.WriteString(conn, text[i:i+1]); err != nil || ctx.Err() != nil {
			return
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// neverRead sends requests one behind the other and takes no answer.
func neverRead(ctx context.Context, conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(1024)
	}
	request := hostileHeader + "Content-Length: 2\r\n\r\n{}"
	for range 200 {
		if _, err := io.WriteString(conn, request); err != nil {
			return
		}
	}
	<-ctx.Done()
}
