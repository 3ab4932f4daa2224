package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// A localFault is an error as it is told on the MFA socket.
type localFault struct {
	code, message string
	status        int
	// reason is the true one, for the audit log; empty where that is the message.
	reason string
}

func (f *localFault) Error() string { return f.message }

// logged is what the audit event says.
func (f *localFault) logged() string {
	if f.reason != "" {
		return f.reason
	}
	return f.message
}

func invalid(message string) error {
	return &localFault{code: protocol.CodeInvalid, message: message, status: http.StatusBadRequest}
}

func notAllowed(message string) error {
	return &localFault{code: protocol.CodeNotAllowed, message: message, status: http.StatusForbidden}
}

// refusedAnswer is every no to an answer: who gave it learns nothing of why.
func refusedAnswer(reason error) *localFault {
	return &localFault{
		code: protocol.CodeRefused, message: "The answer was refused.", status: http.StatusForbidden, reason: reason.Error(),
	}
}

// localFault puts an error into the words of the protocol. Errors that the client
// cannot mend are logged and become one that says nothing of the inside.
func (k *Socket) localFault(c *localCall, err error) *localFault {
	var own *localFault
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, mfa.ErrNoChallenge):
		return &localFault{code: protocol.CodeNoSuch, message: "There is no such challenge, or it has ended.", status: http.StatusNotFound}
	case errors.Is(err, mfa.ErrTooMany):
		return &localFault{code: protocol.CodeTooMany, message: "There are too many challenges, or too many that wait for one; try again later.",
			status: http.StatusTooManyRequests}
	case mfa.IsRefusal(err):
		return refusedAnswer(err)
	}
	f := &localFault{code: protocol.CodeInternal, status: http.StatusInternalServerError,
		message: "The request failed inside of keyd; it can be tried again. keyd's log has more under the request id."}
	if errors.Is(err, context.Canceled) {
		k.Logger.Debug("client gave up", "request", c.id, "operation", c.operation.name)
		return f
	}
	k.Logger.Error("request failed", "request", c.id, "operation", c.operation.name, "error", err)
	return f
}
