// Package api describes the AWS services that keyd speaks, and one of its own: which operations
// they have, how requests and responses are shaped, and what a request must
// satisfy before anything looks at it.
//
// Most callers need two things: a service such as kmsapi.Service, whose
// [Service.Operation] finds an operation by name and makes its empty input, and
// [Validate], which answers a decoded input as AWS would.
//
// The subpackages kmsapi, iamapi, stsapi, trailapi and mfaapi are generated from the
// models in api/model by `go generate ./api`; this package is the small runtime
// they share. It does no I/O and holds no state: values of [Service] never
// change, and everything is safe for concurrent use.
//
// Members that AWS marks as sensitive, and some that it forgot to, have type
// [SecretBytes] or [SecretString]. Those print and marshal as [redacted]; only
// package server/wire writes what they hold.
package api

//go:generate go run ./gen

// Protocol names a way to put requests and responses into bytes.
type Protocol string

// The protocols of the services that keyd speaks.
const (
	// JSON is AWS JSON 1.1: a JSON object each way, the operation in X-Amz-Target.
	JSON Protocol = "json"
	// Query is a form with Action and Version, answered in XML.
	Query Protocol = "query"
)

// Service is one AWS service.
type Service struct {
	ID           string   // "KMS", the name SDKs know it by
	FullName     string   // "AWS Key Management Service"
	EventSource  string   // "kms.amazonaws.com", what audit events call it
	SigningName  string   // the service of the credential scope
	APIVersion   string   // "2014-11-01", the Version of a query request
	Protocol     Protocol // how it is spoken
	XMLNamespace string   // xmlns of query responses; empty for JSON
	// Targets are what may stand before the dot in X-Amz-Target, the official
	// one first. Empty for query services.
	Targets    []string
	Operations []Operation // sorted by name

	byName map[string]int
}

// Operation is one operation of a service.
type Operation struct {
	Name    string
	Service *Service
	// New makes an empty input: a pointer to a generated structure.
	New func() any
	// NewOutput makes an empty output; nil for operations that return nothing.
	NewOutput func() any
	// Errors are those the model lists. Errors common to all operations, such
	// as a refused signature, are not among them.
	Errors []*Exception
	// NoAuth: the request carries no signature; something in it is the proof.
	NoAuth bool
	// ResultWrapper is the element around a query response; empty without one.
	ResultWrapper string
}

// Exception is one error of a service's model.
type Exception struct {
	Code   string // as it stands in __type or <Code>
	Status int    // the HTTP status
	Server bool   // the service is at fault, not the caller: <Type>Receiver
}

// NewService returns s with its operations linked to it. Generated packages
// call it once; the operations must be sorted by name.
func NewService(s Service) *Service {
	s.byName = make(map[string]int, len(s.Operations))
	for i := range s.Operations {
		s.Operations[i].Service = &s
		s.byName[s.Operations[i].Name] = i
	}
	return &s
}

// Operation finds an operation by its name, exactly as the model spells it. It
// reports false when the service has none of that name.
func (s *Service) Operation(name string) (Operation, bool) {
	i, ok := s.byName[name]
	if !ok {
		return Operation{}, false
	}
	return s.Operations[i], true
}

// Value returns what p points to, or the zero value when p is nil: the reading
// of an optional member whose absence means its zero value.
func Value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
