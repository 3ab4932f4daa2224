// Package listen is the outer wall of the server: sockets that a hostile or
// slow client cannot wear out.
//
// Most callers need two calls: [Open] binds the addresses of a [Config], and
// [Server.Run] serves a handler on them until its context ends, then drains.
//
// Every client is bounded in time (handshake, header, body, answer, idleness)
// and number: when a listener is full, the connection that has waited longest
// for its client is closed to make room, so half-open connections never keep
// others out. Plain HTTP is served on loopback and Unix sockets only.
// The package needs Linux.
package listen

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// Config says where to listen. At least one of Addr and Socket is set.
type Config struct {
	// Addr is a TCP address, host:port; "" for none. Without a certificate the
	// host must be loopback.
	Addr string
	// CertFile and KeyFile are PEM files, both set or none. They are read again
	// when they change.
	CertFile, KeyFile string
	// Socket is the path of a Unix socket, "" for none. It is made with SocketMode,
	// 0600 if zero, and removed on close.
	Socket     string
	SocketMode fs.FileMode
	// Limits bound the clients; see [DefaultLimits].
	Limits Limits
	// Log receives what net/http and the certificate reader complain of; nil means
	// [slog.Default].
	Log *slog.Logger
}

// Limits bound what clients may use of a server. A zero field means the value
// in [DefaultLimits]; there is no way to have no limit.
type Limits struct {
	// HeaderBytes bounds the request line and header.
	HeaderBytes int
	// Header is how long the TLS handshake and the header of a request may take,
	// Body how long its body.
	Header, Body time.Duration
	// Write is how long all may take from the end of the header to the last byte
	// of the answer.
	Write time.Duration
	// Idle is how long a connection may wait for its next request.
	Idle time.Duration
	// Connections bounds the connections of each listener.
	Connections int
	// Streams bounds the concurrent requests of an HTTP/2 connection.
	Streams int
	// Drain is how long requests in flight may take once the server stops.
	Drain time.Duration
}

// DefaultLimits are generous to SDKs, which send a small request at once.
var DefaultLimits = Limits{
	HeaderBytes: 32 << 10, // a session token may have 4 KiB, a presigned URL holds one in escapes
	Header:      5 * time.Second,
	Body:        10 * time.Second,
	Write:       60 * time.Second, // RSA key generation takes seconds
	Idle:        2 * time.Minute,
	Connections: 4096,
	Streams:     128,
	Drain:       15 * time.Second,
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits
	return Limits{
		HeaderBytes: cmp.Or(l.HeaderBytes, d.HeaderBytes),
		Header:      cmp.Or(l.Header, d.Header),
		Body:        cmp.Or(l.Body, d.Body),
		Write:       cmp.Or(l.Write, d.Write),
		Idle:        cmp.Or(l.Idle, d.Idle),
		Connections: cmp.Or(l.Connections, d.Connections),
		Streams:     cmp.Or(l.Streams, d.Streams),
		Drain:       cmp.Or(l.Drain, d.Drain),
	}
}

// Server holds bound sockets. It is made by Open and ends with Run or Close.
type Server struct {
	limits Limits
	log    *slog.Logger
	tcp    *gate
	unix   *gate
	cert   *certificate // nil: plain HTTP
}

// Open binds the sockets of c. Clients may connect from then on; they are
// served by Run. It refuses plain HTTP beyond loopback, and a socket that
// another process serves; a stale one is replaced.
func Open(c Config) (_ *Server, err error) {
	if c.Addr == "" && c.Socket == "" {
		return nil, errors.New("listen: neither an address nor a socket to listen on")
	}
	s := &Server{limits: c.Limits.withDefaults(), log: cmp.Or(c.Log, slog.Default())}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if c.CertFile != "" || c.KeyFile != "" {
		if s.cert, err = loadCertificate(c.CertFile, c.KeyFile, s.log); err != nil {
			return nil, err
		}
	}
	if c.Addr != "" {
		l, err := listenTCP(c.Addr, s.cert != nil)
		if err != nil {
			return nil, err
		}
		s.tcp = newGate(l, s.limits.Connections)
	}
	if c.Socket != "" {
		l, err := listenUnix(c.Socket, cmp.Or(c.SocketMode, 0o600))
		if err != nil {
			return nil, err
		}
		s.unix = newGate(l, s.limits.Connections)
	}
	return s, nil
}

// Addr is the bound TCP address, nil if there is none. It tells the port when
// Config.Addr left it to the system.
func (s *Server) Addr() net.Addr {
	if s.tcp == nil {
		return nil
	}
	return s.tcp.Addr()
}

// Reload reads the certificate files now and reports what is wrong with them;
// the certificate in use stays then. Without TLS it does nothing.
func (s *Server) Reload() error {
	if s.cert == nil {
		return nil
	}
	return s.cert.reload()
}

// Close lets the sockets go. After Run it does nothing.
func (s *Server) Close() error {
	var errs []error
	for _, g := range []*gate{s.tcp, s.unix} {
		if g != nil {
			errs = append(errs, g.Close())
		}
	}
	return errors.Join(errs...)
}

// Run serves h until ctx ends, lets requests in flight finish for as long as
// Limits.Drain, and closes what is left. It returns nil after a clean drain;
// requests that had to be cut off are an error. Requests see the values of ctx
// but not its end.
func (s *Server) Run(ctx context.Context, h http.Handler) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, g := range []*gate{s.tcp, s.unix} {
		if g == nil {
			continue
		}
		hs := s.httpServer(context.WithoutCancel(ctx), h)
		serve := func() error { return hs.Serve(g) }
		if g == s.tcp && s.cert != nil {
			hs.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.cert.get}
			serve = func() error { return hs.ServeTLS(g, "", "") }
		}
		group.Go(func() error {
			if err := serve(); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("listen %s: %w", g.Addr(), err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			return s.drain(hs, g)
		})
	}
	return group.Wait()
}

func (s *Server) httpServer(base context.Context, h http.Handler) *http.Server {
	return &http.Server{
		Handler:           guard(h, s.limits.Body),
		ReadHeaderTimeout: s.limits.Header,
		WriteTimeout:      s.limits.Write,
		IdleTimeout:       s.limits.Idle,
		MaxHeaderBytes:    s.limits.HeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       connContext,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: s.limits.Streams},
	}
}

// drain stops one listener.
func (s *Server) drain(hs *http.Server, g *gate) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.limits.Drain)
	defer cancel()
	g.dismiss()
	err := hs.Shutdown(ctx)
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("listen %s: requests cut off after %v: %w", g.Addr(), s.limits.Drain, err), hs.Close())
}
