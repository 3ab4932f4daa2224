package command

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/keyd-hsm/keyd/audit"
)

// explain turns any error into a failure with a hint and an exit code. What is
// a failure already keeps its own.
func explain(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return &failure{err: err, hint: f.hint, exit: f.exit}
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return explainAPI(err, api)
	}
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return &failure{err: errors.New(stranger.text), hint: stranger.hint, exit: stranger.exit}
	}
	if f := explainMFA(err); f != nil {
		return f
	}
	// Before the connection: a card that gave up has a context that ended, too.
	if f := explainCard(err); f != nil {
		return f
	}
	if f := explainConnection(err); f != nil {
		return f
	}
	if errors.Is(err, audit.ErrTampered) {
		return &failure{err: err, hint: "copy the directory as it is now, before anything writes to it, and compare it with a backup", exit: exitBroken}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &failure{err: err, exit: exitNotFound}
	}
	return &failure{err: err, exit: exitFailure}
}

// explainAPI reads the answer of a service: the code decides what to say.
func explainAPI(err error, api smithy.APIError) *failure {
	// AWS writes the code of one error both ways, by protocol.
	name := strings.TrimSuffix(api.ErrorCode(), "Exception")
	a, known := answers[name]
	if !known {
		a = unknownAnswer(err)
	}
	message := strings.TrimSuffix(plainly(api.ErrorMessage()), ".")
	if message == "" {
		message = a.text
	}
	if a.refine != nil {
		a = a.refine(a, message)
	}
	hint := strings.ReplaceAll(a.hint, "{key}", keyIn(message))
	hint = strings.ReplaceAll(hint, "{request}", requestID(err))
	return &failure{err: fmt.Errorf("%s (%s)", message, api.ErrorCode()), hint: hint, exit: a.exit}
}

// stranger is the answer of a server that is not keyd.
var stranger = answer{exitUnavailable, "the endpoint did not answer as keyd does", "is it keyd's address? see --endpoint and --socket", nil}

// unknownAnswer is for a code that no row of answers has: an answer of keyd
// that keyctl is too old for, or of a server that is not keyd.
func unknownAnswer(err error) answer {
	response, ok := errors.AsType[*awshttp.ResponseError](err)
	if !ok || response.ServiceRequestID() == "" {
		return stranger
	}
	if response.HTTPStatusCode() >= http.StatusInternalServerError {
		return answers["KMSInternal"]
	}
	return answer{exit: exitFailure, text: "the service refused"}
}

var keyARN = regexp.MustCompile(`arn:[a-z0-9-]+:kms:[A-Za-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+`)

// keyIn returns the key that a message names, for a command to copy.
func keyIn(message string) string {
	if arn := keyARN.FindString(message); arn != "" {
		return arn
	}
	return "KEY"
}

func requestID(err error) string {
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok && response.ServiceRequestID() != "" {
		return response.ServiceRequestID()
	}
	return "unknown"
}

// explainConnection is for calls that had no answer; nil if err is no such thing.
func explainConnection(err error) *failure {
	unavailable := func(text, hint string) *failure {
		return &failure{err: errors.New(text), hint: hint, exit: exitUnavailable}
	}
	certificate, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	op, network := errors.AsType[*net.OpError](err)
	where := "keyd"
	if network && op.Addr != nil {
		where = op.Addr.String()
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return unavailable("no answer in time", "the token may be busy: give it longer with --timeout")
	case errors.Is(err, syscall.ECONNREFUSED):
		return unavailable(where+": connection refused", `is keyd running there? start it with "keyd serve", or "keyd dev" to try it`)
	case network && op.Net == "unix" && errors.Is(err, fs.ErrNotExist):
		return unavailable(where+": no such socket", `is keyd running? start it with "keyd serve", or name its socket with --socket, that for MFA with --mfa-socket`)
	case network && op.Net == "unix" && errors.Is(err, fs.ErrPermission):
		return &failure{err: errors.New(where + ": permission denied"), hint: "join the group that owns the socket", exit: exitRefused}
	case untrusted:
		return unavailable("certificate of the endpoint: "+certificate.Err.Error(),
			"name the authority that signed it: AWS_CA_BUNDLE=FILE; the endpoint's host must be in the certificate")
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return unavailable("the endpoint speaks HTTP, not HTTPS", "on this machine: --endpoint http://…")
	case network:
		return unavailable(where+": "+op.Err.Error(), "is the endpoint right, and the network up?")
	}
	return nil
}
