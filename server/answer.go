package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/stsapi"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/server/sigv4"
	"github.com/keyd-hsm/keyd/server/wire"
)

// An answer is what goes back to the client.
type answer struct {
	status      int
	contentType string
	body        []byte
	code        string // AWS's error code, "" for success
}

// A fault is an error as AWS puts it on the wire.
type fault struct {
	code    string
	message string
	status  int
	sender  bool   // the client's doing; for the query protocol
	claimed string // the access key id of a signature that proved nothing
}

func (f *fault) Error() string { return f.code + ": " + f.message }

// success encodes the output of an operation.
func success(c *call, out any) (answer, error) {
	if c.protocol == api.Query {
		body, err := wire.EncodeXML(c.route.op, c.id, out)
		return answer{status: http.StatusOK, contentType: xmlType, body: body}, err
	}
	if out == nil {
		return answer{status: http.StatusOK, contentType: jsonType}, nil
	}
	body, err := wire.EncodeJSON(out)
	return answer{status: http.StatusOK, contentType: jsonType, body: body}, err
}

// failure encodes a fault.
func failure(c *call, f *fault) answer {
	a := answer{status: f.status, code: f.code}
	if c.protocol == api.Query {
		a.contentType = xmlType
		svc := c.service
		if svc == nil {
			svc = stsapi.Service // an error of no service in particular wears some namespace
		}
		a.body = wire.XMLError(svc, c.id, f.code, f.message, !f.sender)
	} else {
		a.contentType = jsonType
		a.body = wire.JSONError(f.code, f.message)
	}
	return a
}

func internalError(c *call) answer { return failure(c, internalFault(c)) }

func internalFault(c *call) *fault {
	code := "KMSInternalException"
	if c.protocol == api.Query {
		code = "InternalFailure"
	}
	return &fault{
		code: code, status: http.StatusInternalServerError,
		message: "The request failed because of an internal exception; it can be tried again. The server's log has more under the request id.",
	}
}

// unknownOperation answers what is not served: what the model knows with the
// service's word for unsupported, everything else with the word for unknown.
func unknownOperation(c *call) *fault {
	known := false
	if c.service != nil {
		_, known = c.service.Operation(c.name)
	}
	switch {
	case known && c.protocol == api.JSON:
		return &fault{code: kms.CodeUnsupportedOperation, status: http.StatusBadRequest,
			message: "Operation " + c.name + " is not supported by this version of keyd."}
	case known:
		return &fault{code: "InvalidAction", status: http.StatusBadRequest, sender: true,
			message: "Operation " + c.name + " is not supported by this version of keyd."}
	case c.protocol == api.JSON:
		return &fault{code: "UnknownOperationException", status: http.StatusBadRequest}
	}
	return &fault{code: "InvalidAction", status: http.StatusBadRequest, sender: true,
		message: "Could not find operation " + printable(c.name) + " for this version of the service."}
}

// faultOf puts an error into AWS's words. Errors that no client can mend are
// logged and become one that says nothing of the inside.
func (s *Server) faultOf(c *call, err error) *fault {
	var (
		own        *fault
		refusal    *kms.Error
		identity   *iam.Error
		signature  *sigv4.Error
		validation *api.ValidationError
		malformed  *wire.SerializationError
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &refusal):
		return clientFault(c, refusal.Code, refusal.Message)
	case errors.As(err, &identity):
		return identityFault(c, identity)
	case errors.As(err, &signature):
		a := signature.JSON()
		if c.protocol == api.Query {
			a = signature.Query()
		}
		return &fault{code: a.Code, message: a.Message, status: a.Status, sender: true, claimed: signature.AccessKeyID}
	case errors.As(err, &validation):
		if c.protocol == api.Query {
			return clientFault(c, "ValidationError", validation.Error())
		}
		return clientFault(c, kms.CodeValidation, validation.Error())
	case errors.As(err, &malformed):
		return clientFault(c, malformed.Code, malformed.Message)
	}
	return s.serverFault(c, err)
}

func clientFault(c *call, code, message string) *fault {
	status := http.StatusBadRequest
	if c.protocol == api.Query && code == kms.CodeAccessDenied {
		code, status = "AccessDenied", http.StatusForbidden
	}
	return &fault{code: code, message: message, status: status, sender: true}
}

// serverFault is for what is not the client's doing: the token, the disk, us.
func (s *Server) serverFault(c *call, err error) *fault {
	f := internalFault(c)
	switch kind := kms.Cause(err); {
	case kind == kms.CauseUnsupported:
		return clientFault(c, kms.CodeUnsupportedOperation, err.Error())
	case errors.Is(err, context.DeadlineExceeded) && c.protocol == api.JSON:
		f.code, f.message = "DependencyTimeoutException", "The token did not answer in time; the request can be tried again."
	case kind == kms.CauseUnavailable:
		f.message = "The token is unavailable; the request can be tried again when it is back."
	}
	if errors.Is(err, context.Canceled) {
		s.Logger.Debug("client gave up", "request", c.id, "operation", c.name)
		return f
	}
	s.Logger.Error("request failed", "request", c.id, "operation", c.name, "error", err)
	return f
}

func isNotFound(err error) bool {
	var refusal *kms.Error
	return errors.As(err, &refusal) && refusal.Code == kms.CodeNotFound
}

// printable makes a name that a client sent fit for messages and events.
func printable(s string) string {
	const most = 128
	b := make([]byte, 0, min(len(s), most))
	for i := 0; i < len(s) && i < most; i++ {
		if s[i] < ' ' || s[i] > '~' {
			b = append(b, '?')
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}
