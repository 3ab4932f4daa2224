package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/keyd-hsm/keyd/mfa/protocol"
)

const (
	// maxAnswer bounds what is read of an answer, in bytes. A list of challenges
	// is the longest.
	maxAnswer = 1 << 20
	// poll is for how long one request waits for an outcome, in seconds. keyd allows 60.
	poll = 30
	// grace is how long keyd may take for an answer beside what it was told to wait.
	grace = 60 * time.Second
)

// A Client asks one keyd.
type Client struct {
	path string
	http *http.Client
}

// New makes a client of the keyd that listens on the Unix socket of that path. It
// connects with each call.
func New(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &Client{path, &http.Client{Transport: &http.Transport{
		DialContext: dial, DisableKeepAlives: true, DisableCompression: true, ResponseHeaderTimeout: poll*time.Second + grace,
	}}}
}

// Ask puts a question. The challenge waits for its answer for as long as ask says;
// show its ID to nobody who need not know it.
func (c *Client) Ask(ctx context.Context, ask protocol.Ask) (protocol.Challenge, error) {
	var out protocol.Challenge
	err := c.do(ctx, http.MethodPost, "challenges", ask, &out)
	return out, err
}

// Pending lists the challenges that wait for an answer: those of a user, or with
// "" all that the caller may answer, the newest first.
func (c *Client) Pending(ctx context.Context, user string) ([]protocol.Challenge, error) {
	path := "challenges"
	if user != "" {
		path += "?user=" + url.QueryEscape(user)
	}
	var out protocol.Challenges
	err := c.do(ctx, http.MethodGet, path, nil, &out)
	return out.Challenges, err
}

// Answer answers a challenge. Nil is a yes. A no is a *protocol.Error of
// protocol.CodeRefused, and says no more than that; protocol.CodeNoSuch says that
// the challenge has ended.
func (c *Client) Answer(ctx context.Context, id string, answer protocol.Answer) error {
	return c.do(ctx, http.MethodPost, challenge(id)+"/answer", answer, nil)
}

// Wait waits until a challenge has ended, however long that takes, and returns
// what came of it. Only the local user who asked may. Credentials, if they were
// asked for, are in one outcome only.
func (c *Client) Wait(ctx context.Context, id string) (protocol.Outcome, error) {
	for {
		var out protocol.Outcome
		err := c.do(ctx, http.MethodGet, challenge(id)+"?wait="+strconv.Itoa(poll), nil, &out)
		if err != nil || out.State != protocol.Pending {
			return out, err
		}
	}
}

// Cancel takes a question back. Call it when nobody waits for the outcome any
// more, with a context that has not ended.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, challenge(id), nil, nil)
}

func challenge(id string) string { return "challenges/" + url.PathEscape(id) }

// do sends a request and reads the answer into out, which may be nil.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://keyd/v1/"+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err // the URL says nothing that its reader knows
		}
		return fmt.Errorf("MFA socket %s: %w", c.path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("MFA socket %s: %w", c.path, err)
	}
	if len(text) > maxAnswer {
		return fmt.Errorf("MFA socket %s: the answer is longer than %d bytes", c.path, maxAnswer)
	}
	return c.read(resp.StatusCode, text, out)
}

// read takes an answer apart.
func (c *Client) read(status int, text []byte, out any) error {
	if status >= http.StatusBadRequest {
		refusal := new(protocol.Error)
		if json.Unmarshal(text, refusal) != nil || refusal.Code == "" {
			return fmt.Errorf("MFA socket %s: HTTP %d from what may not be keyd", c.path, status)
		}
		return refusal
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("MFA socket %s: %w", c.path, err)
	}
	return nil
}
