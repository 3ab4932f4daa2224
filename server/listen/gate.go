package listen

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// gate is a listener that holds at most max connections. A new one that finds
// it full takes the place of the one that has waited longest for its client:
// for a handshake, a header, a body, or the next request; those whose clients
// are known and not long idle come last. When none waits, all are being answered,
// and the new one waits for the first to end.
type gate struct {
	net.Listener
	max int

	mu     sync.Mutex // guards the rest, and the fields of each conn it names
	change *sync.Cond // signalled when a connection ends or starts to wait
	conns  map[*conn]struct{}
	closed bool
	// draining: connections that still come in are turned away.
	draining bool
}

// conn is a connection that its gate knows.
type conn struct {
	net.Conn
	gate *gate
	peer *Peer // nil unless a Unix socket

	working int       // requests read to their end and not answered yet
	used    bool      // a request's header was read
	known   bool      // its client has proved who it is: see Vouch
	since   time.Time // when it last got on: opened, or a request begun, read or answered
}

func newGate(l net.Listener, maximum int) *gate {
	g := &gate{Listener: l, max: maximum, conns: map[*conn]struct{}{}}
	g.change = sync.NewCond(&g.mu)
	return g
}

// Accept returns the next connection once there is room for it.
func (g *gate) Accept() (net.Conn, error) {
	for {
		raw, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: raw, gate: g, peer: peerOf(raw), since: time.Now()}
		victim, ok := g.admit(c)
		if victim != nil {
			_ = victim.Conn.Close()
		}
		if ok {
			return c, nil
		}
		_ = raw.Close()
	}
}

// admit makes room for c, taking it from the victim, which the caller closes.
func (g *gate) admit(c *conn) (victim *conn, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.closed && !g.draining {
		if len(g.conns) >= g.max {
			if victim = g.longestWaiting(); victim == nil {
				g.change.Wait()
				continue
			}
			delete(g.conns, victim)
		}
		g.conns[c] = struct{}{}
		return victim, true
	}
	return nil, false
}

// knownIdle is how long a connection whose client is known may wait before it
// counts as any other. Strangers that come in a crowd push each other out, not
// clients at work; known clients that have nothing to ask make way.
const knownIdle = 30 * time.Second

func (g *gate) longestWaiting() *conn {
	var found, kept *conn
	now := time.Now()
	for c := range g.conns {
		switch {
		case c.working > 0:
		case c.known && now.Sub(c.since) < knownIdle:
			kept = earlier(kept, c)
		default:
			found = earlier(found, c)
		}
	}
	if found == nil {
		return kept
	}
	return found
}

// earlier is the one of two connections that has waited longer; a may be nil.
func earlier(a, b *conn) *conn {
	if a == nil || b.since.Before(a.since) {
		return b
	}
	return a
}

// Vouch says that the client who sent the request whose context ctx is has
// proved who it is. When the listener is full its connection stays where those
// of strangers, and half-open ones, go.
func Vouch(ctx context.Context) {
	c, ok := ctx.Value(connKey{}).(*conn)
	if !ok {
		return
	}
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.known = true
}

// dismiss turns away new connections and those that never sent a request:
// they have nothing to finish.
func (g *gate) dismiss() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
	g.change.Broadcast()
	for c := range g.conns {
		if !c.used {
			delete(g.conns, c)
			_ = c.Conn.Close()
		}
	}
}

// Close closes the listener; connections live on.
func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	g.change.Broadcast()
	return g.Listener.Close()
}

// Close gives the connection's place free.
func (c *conn) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.conns, c)
	c.gate.change.Signal()
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// step records that the client got on; working changes by the given number.
func (c *conn) step(working int) {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.used = true
	c.working += working
	c.since = time.Now()
	if c.working == 0 {
		c.gate.change.Signal()
	}
}

type connKey struct{}

// connContext lets handlers find their connection, below TLS if there is any.
func connContext(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}
