package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
)

// A level is IAM's access level of an operation.
type level string

const (
	levelList        level = "List"
	levelRead        level = "Read"
	levelWrite       level = "Write"
	levelPermissions level = "Permissions management"
)

// readOnly is CloudTrail's field of that name.
func (l level) readOnly() bool { return l == levelList || l == levelRead }

// A route is one operation that is served: a row of the table in routes.go.
type route struct {
	op      api.Operation
	level   level
	bodyMax int64 // bytes of request body
	long    bool  // may wait for an RSA key to be made
	// admit resolves what the request names, asks the gate, and checks that the
	// state of the key allows the operation. It reads from tx, or with nil from
	// what is cached, and leaves the keys in the call.
	admit func(s *Server, c *call, tx kms.Tx) error
	// serve does the work on what admit left in the call, for operations that
	// change nothing; nil for those that do.
	serve func(s *Server, c *call) (any, error)
	// pure: serve asks only the store, so it may run again when that has changed.
	pure bool
	// prepare does the token work of a change before the transaction opens; may
	// be nil. apply makes the change in it.
	prepare func(s *Server, c *call) error
	apply   func(s *Server, c *call, tx kms.Tx) (any, error)

	metrics routeMetrics // set by index
	uses    bool         // its keys are noted as used; set by index
	takes   bool         // it may take a right from somebody; set by index
}

// resolver finds what an input names and says what must be allowed. It reads
// from tx, or with nil from what is cached.
type resolver[I any] func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error)

// admission is the part of every operation before its work: resolve, the gate,
// then ready, which may be nil.
func admission[I any](resolve resolver[I], ready func(c *call, in *I) error) func(*Server, *call, kms.Tx) error {
	return func(s *Server, c *call, tx kms.Tx) error {
		in := c.in.(*I)
		checks, err := resolve(s, c, tx, in)
		if err != nil {
			return err
		}
		if err := s.allow(c, checks); err != nil {
			return err
		}
		if err := s.checkTokens(c, tx); err != nil {
			return err
		}
		if ready == nil {
			return nil
		}
		return ready(c, in)
	}
}

// query makes the row of an operation that only reads the store.
func query[I, O any](op api.Operation, l level, resolve resolver[I], serve func(*Server, *call, *I) (*O, error)) *route {
	r := use(op, l, resolve, nil, serve)
	r.pure = true
	return r
}

// view makes the row of an operation that reads the store in one snapshot.
func view[I, O any](op api.Operation, l level, resolve resolver[I], serve func(*Server, *call, kms.Tx, *I) (*O, error)) *route {
	return query(op, l, resolve, func(s *Server, c *call, in *I) (out *O, err error) {
		err = s.State.View(c.ctx, func(tx kms.Tx) error {
			out, err = serve(s, c, tx, in)
			return err
		})
		return out, err
	})
}

// use makes the row of an operation that uses keys and changes nothing. The
// state of the keys is checked by ready, after the gate.
func use[I, O any](op api.Operation, l level, resolve resolver[I], ready func(*call, *I) error, serve func(*Server, *call, *I) (*O, error)) *route {
	return &route{
		op: op, level: l, bodyMax: defaultBody,
		admit: admission(resolve, ready),
		serve: func(s *Server, c *call) (any, error) {
			return boxed(serve(s, c, c.in.(*I)))
		},
	}
}

// change makes the row of an operation that changes the store.
func change[I, O any](op api.Operation, l level, resolve resolver[I], apply func(*Server, *call, kms.Tx, *I) (*O, error)) *route {
	return &route{
		op: op, level: l, bodyMax: defaultBody,
		admit: admission(resolve, nil),
		apply: func(s *Server, c *call, tx kms.Tx) (any, error) {
			return boxed(apply(s, c, tx, c.in.(*I)))
		},
	}
}

// boxed turns a nil pointer into a nil any: an operation that answers nothing.
func boxed[O any](out *O, err error) (any, error) {
	if err != nil || out == nil {
		return nil, err
	}
	return out, nil
}

// nothing is the output of operations that return none.
type nothing struct{}

// Limits of request bodies. The largest inputs are key policies of 131,072
// characters, which JSON may escape to six times that.
const (
	defaultBody = 512 << 10
	policyBody  = 1 << 20
)

// large lets a row take a key policy.
func (r *route) large() *route {
	r.bodyMax = policyBody
	return r
}

// slow gives a row the time that an RSA key takes to make.
func (r *route) slow() *route {
	r.long = true
	return r
}

// preparing adds token work that a change needs before its transaction.
func preparing[I any](r *route, prepare func(*Server, *call, *I) error) *route {
	r.prepare = func(s *Server, c *call) error { return prepare(s, c, c.in.(*I)) }
	return r
}

// takes reports whether an operation may take a right that the gate finds outside
// of the transaction of a change: every change of identities, and the end of a
// grant. What a key itself says, the gate is given as the transaction has it.
func takes(op api.Operation) bool {
	return op.Service != kmsapi.Service || op.Name == "RevokeGrant" || op.Name == "RetireGrant"
}

// index builds the maps that requests are routed by.
func (s *Server) index(rows []*route) {
	s.routes = make(map[string]map[string]*route)
	s.targets = make(map[string]string)
	s.versions = make(map[string]string)
	for _, svc := range services {
		s.routes[svc.SigningName] = make(map[string]*route)
		for _, t := range svc.Targets {
			s.targets[t] = svc.SigningName
		}
		if svc.Protocol == api.Query {
			s.versions[svc.APIVersion] = svc.SigningName
		}
	}
	for _, r := range rows {
		r.metrics = s.Metrics.of(r.op.Service.ID + "." + r.op.Name)
		r.uses = r.op.Service == kmsapi.Service && uses(r.op.Name)
		r.takes = takes(r.op)
		s.routes[r.op.Service.SigningName][r.op.Name] = r
	}
}
