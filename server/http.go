package server

import (
	"bytes"
	"context"
	"errors"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/server/wire"
)

// usualBody is what most request bodies stay below, in bytes.
const usualBody = 8 << 10

const (
	jsonType = "application/x-amz-json-1.1"
	formType = "application/x-www-form-urlencoded"
	xmlType  = "text/xml"
)

// ServeHTTP answers one request and leaves one audit event.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), s.Timeout)
	defer cancel()
	begin := time.Now()
	c := &call{ctx: ctx, r: r, id: uuid.NewString(), received: s.Clock(), protocol: api.JSON}
	w.Header().Set("X-Amzn-Requestid", c.id)

	a := s.answer(c, w)
	w.Header().Set("Content-Type", a.contentType)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that has gone gets no answer; the event stands
	s.Metrics.observe(c, a, time.Since(begin))
}

// answer does all of a call. Whatever goes wrong, an answer comes of it, and
// none is given that is not in the audit log.
func (s *Server) answer(c *call, w http.ResponseWriter) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			s.Logger.Error("panic", "request", c.id, "operation", c.name, "panic", p, "stack", string(debug.Stack()))
			a = s.finish(c, nil, errPanic)
		}
	}()
	since := s.commits.Load() // before the caller is looked at
	if err := s.receive(c, w); err != nil {
		return s.finish(c, nil, err)
	}
	if c.route.long {
		ctx, cancel := context.WithTimeout(c.r.Context(), s.Timeout+keyTime)
		defer cancel()
		c.ctx = ctx
	}
	if c.route.apply != nil {
		return s.change(c)
	}
	out, err := s.use(c)
	return s.settle(c, since, out, err)
}

// errPanic stands in the audit event of a call that hit a fault of ours.
var errPanic = errors.New("panic")

// receive does what comes before the operation: route, read, authenticate,
// decode, validate.
func (s *Server) receive(c *call, w http.ResponseWriter) error {
	if err := s.readBody(c, w); err != nil {
		return err
	}
	form, err := s.identify(c)
	if err != nil {
		return err
	}
	if int64(len(c.body)) > c.bodyMax() {
		return errTooLarge
	}
	if c.service != nil && (c.route == nil || !c.route.op.NoAuth) {
		if err := s.authenticate(c); err != nil {
			return err
		}
	}
	if c.route == nil {
		return unknownOperation(c)
	}
	c.in = c.route.op.New()
	if c.protocol == api.Query {
		err = form.Decode(c.in)
	} else {
		err = wire.DecodeJSON(c.body, c.in)
	}
	if err != nil {
		return err
	}
	return api.Validate(c.in)
}

func (c *call) bodyMax() int64 {
	if c.route == nil {
		return defaultBody
	}
	return c.route.bodyMax
}

// errTooLarge refuses a body over the limit.
var errTooLarge = &fault{code: "RequestEntityTooLargeException", message: "Request body is too large.", status: http.StatusRequestEntityTooLarge}

func (s *Server) readBody(c *call, w http.ResponseWriter) error {
	if c.r.ContentLength > policyBody {
		return errTooLarge
	}
	// Room for what the client announces, up to a size that costs nothing to those
	// who never send it.
	body := bytes.NewBuffer(make([]byte, 0, min(max(c.r.ContentLength, 0), usualBody)+bytes.MinRead))
	_, err := body.ReadFrom(http.MaxBytesReader(w, c.r.Body, policyBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return errTooLarge
	}
	if err != nil {
		return &fault{code: "RequestTimeoutException", message: "The request body did not arrive.", status: http.StatusRequestTimeout}
	}
	c.body = body.Bytes()
	return nil
}

// identify finds the service and operation: by X-Amz-Target for JSON, by Action
// and Version in the form or the URL for the query protocol.
func (s *Server) identify(c *call) (wire.Form, error) {
	target := c.r.Header.Get("X-Amz-Target")
	if target == "" {
		return s.identifyForm(c)
	}
	prefix, name, _ := strings.Cut(target, ".")
	if i := strings.LastIndexByte(target, '.'); i >= 0 { // CloudTrail's prefix holds dots
		prefix, name = target[:i], target[i+1:]
	}
	c.name = name
	if c.r.Method != http.MethodPost || !mediaType(c.r, jsonType) {
		return wire.Form{}, unknownOperation(c)
	}
	service, ok := s.targets[prefix]
	if !ok {
		return wire.Form{}, unknownOperation(c)
	}
	s.found(c, service)
	return wire.Form{}, nil
}

func (s *Server) identifyForm(c *call) (wire.Form, error) {
	c.protocol = api.Query
	text := []byte(c.r.URL.RawQuery)
	switch {
	case c.r.Method == http.MethodPost && !mediaType(c.r, formType):
		if mediaType(c.r, jsonType) {
			c.protocol = api.JSON
		}
		return wire.Form{}, unknownOperation(c)
	case c.r.Method == http.MethodPost && len(c.body) > 0:
		text = c.body
	case c.r.Method != http.MethodGet && c.r.Method != http.MethodPost:
		return wire.Form{}, unknownOperation(c)
	}
	form, err := wire.ParseForm(text)
	if err != nil {
		return form, err
	}
	c.name = form.Action()
	if c.name == "" {
		return form, &fault{code: "MissingAction", message: "The request must contain the parameter Action.", status: http.StatusBadRequest, sender: true}
	}
	service, ok := s.versions[form.Version()]
	if !ok {
		return form, unknownOperation(c)
	}
	s.found(c, service)
	return form, nil
}

func (s *Server) found(c *call, signingName string) {
	for _, svc := range services {
		if svc.SigningName == signingName {
			c.service = svc
		}
	}
	c.route = s.routes[signingName][c.name]
}

func mediaType(r *http.Request, want string) bool {
	sent := r.Header.Get("Content-Type")
	if sent == want { // as AWS's clients send it
		return true
	}
	got, _, err := mime.ParseMediaType(sent)
	return err == nil && got == want
}
