package server

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/keyd-hsm/keyd/mfa/protocol"
)

const (
	// localBody bounds the body of a request on the MFA socket, in bytes.
	localBody = 16 << 10
	// maxWait bounds how long one request waits for an outcome.
	maxWait = 60 * time.Second
)

// decodeLocal reads one JSON object into in. Members that are not known, and those
// given twice, are refused, and so are invalid UTF-8 and text behind it.
func decodeLocal(body []byte, in any) error {
	err := json.Unmarshal(body, in, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	var semantic *json.SemanticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return invalid("a member is given twice")
	case errors.As(err, &semantic):
		// The log has no names from outside: a code may have been sent as one.
		return &localFault{
			code: protocol.CodeInvalid, status: http.StatusBadRequest, reason: "a member is not known, or of another type",
			message: "member " + printable(string(semantic.JSONPointer)) + " is not known, or its value is of another type",
		}
	}
	return invalid("the request is no JSON")
}

// read reads the body of a request, which must be JSON, into in.
func (c *localCall) read(in any) error {
	if err := c.query(); err != nil {
		return err
	}
	if !mediaType(c.r, "application/json") {
		return invalid("the content type must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, localBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return invalid("the request is longer than " + strconv.Itoa(localBody) + " bytes")
	}
	if err != nil {
		return invalid("the request did not arrive")
	}
	defer clear(body) // a code may be in it
	return decodeLocal(body, in)
}

// query takes the parameters of the URL apart: those named, once at most, and no
// others.
func (c *localCall) query(known ...string) error {
	_, err := c.queryOf(known...)
	return err
}

func (c *localCall) queryOf(known ...string) (url.Values, error) {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, invalid("the query is malformed")
	}
	left := len(values)
	for _, name := range known {
		if list, ok := values[name]; ok {
			if left--; len(list) != 1 {
				return nil, invalid("parameter " + name + " is given twice")
			}
		}
	}
	if left > 0 {
		return nil, invalid("a parameter is not known")
	}
	return values, nil
}

// bodiless is queryOf for a request that has no body.
func (c *localCall) bodiless(known ...string) (url.Values, error) {
	if c.r.ContentLength != 0 {
		return nil, invalid("the request must have no body")
	}
	return c.queryOf(known...)
}

// waitOf reads for how long an outcome is waited for.
func waitOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 8)
	wait := time.Duration(n) * time.Second
	if err != nil || wait > maxWait {
		return 0, invalid("wait must be a number of seconds from 0 to 60")
	}
	return wait, nil
}
