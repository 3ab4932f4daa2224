package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

const (
	// signedFor is how long a signed request is sent again and again. A
	// signature is good for five minutes.
	signedFor = time.Minute
	// answerTime is when an answer is given up.
	answerTime = time.Minute
)

// endpoint is a server, a process of its own.
type endpoint struct {
	addr string
	pid  int
}

// target is the endpoint loaded over connections, one for each worker.
func (e endpoint) target(ctx context.Context, request func(context.Context) ([]byte, error)) target {
	return target{e.pid, func() (func() error, func(), error) {
		c, err := dial(ctx, e.addr, request)
		if err != nil {
			return nil, nil, err
		}
		return c.roundTrip, c.close, nil
	}}
}

// conn is a client's connection: as lean as can be, for its work is in every
// figure.
type conn struct {
	ctx     context.Context
	net     net.Conn
	in      *bufio.Reader
	request func(context.Context) ([]byte, error) // makes the bytes, newly signed
	bytes   []byte
	signed  time.Time
}

func dial(ctx context.Context, addr string, request func(context.Context) ([]byte, error)) (*conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &conn{ctx: ctx, net: raw, in: bufio.NewReader(raw), request: request}
	return c, c.sign()
}

func (c *conn) sign() (err error) {
	c.bytes, err = c.request(c.ctx)
	c.signed = time.Now()
	return errors.Join(err, c.net.SetDeadline(c.signed.Add(signedFor+answerTime)))
}

func (c *conn) close() { _ = c.net.Close() }

// roundTrip sends the request and reads a whole answer, which must be a 200.
func (c *conn) roundTrip() error {
	if time.Since(c.signed) > signedFor {
		if err := c.sign(); err != nil {
			return err
		}
	}
	if _, err := c.net.Write(c.bytes); err != nil {
		return err
	}
	status, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	ok := strings.HasPrefix(string(status), "HTTP/1.1 200 ")
	said := ""
	if !ok {
		said = strings.TrimSpace(string(status))
	}
	length, err := c.header()
	if err != nil {
		return err
	}
	if !ok {
		body, _ := io.ReadAll(io.LimitReader(c.in, int64(length)))
		return fmt.Errorf("answer %s: %s", said, body)
	}
	_, err = c.in.Discard(length)
	return err
}

// header reads the header lines and returns the length of the body.
func (c *conn) header() (length int, err error) {
	length = -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = textproto.TrimBytes(line)
		if len(line) == 0 {
			if length < 0 {
				return 0, errors.New("answer without Content-Length")
			}
			return length, nil
		}
		const name = "content-length:"
		if len(line) > len(name) && strings.EqualFold(string(line[:len(name)]), name) {
			if length, err = strconv.Atoi(string(textproto.TrimBytes(line[len(name):]))); err != nil {
				return 0, err
			}
		}
	}
}
