package listen

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// guard cuts off clients that take longer than limit for a request body, and
// keeps the gate informed of how far each request has come.
func guard(next http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := r.Context().Value(connKey{}).(*conn)
		b := &body{ReadCloser: r.Body, conn: c, rc: http.NewResponseController(w)}
		c.step(0)
		defer b.answered()
		if r.Body == nil || r.Body == http.NoBody {
			b.finish()
		} else {
			// A failure means that the connection is gone; then reading fails too.
			_ = b.rc.SetReadDeadline(time.Now().Add(limit))
			r.Body = b
		}
		next.ServeHTTP(w, r)
	})
}

// body is a request body that notices its end. It is used by the handler's
// goroutine alone.
type body struct {
	io.ReadCloser
	conn  *conn
	rc    *http.ResponseController
	ended bool
}

// Read reads on and notices the end.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) && !b.ended {
		// The deadline was the body's. Left in place it would end the context of a
		// handler that is busy for longer.
		_ = b.rc.SetReadDeadline(time.Time{})
		b.finish()
	}
	return n, err
}

// finish marks the request as read: from here on the server is at work and the
// connection is not given up for another.
func (b *body) finish() {
	b.ended = true
	b.conn.step(+1)
}

// answered marks the handler's work as done.
func (b *body) answered() {
	if b.ended {
		b.conn.step(-1)
	}
}
