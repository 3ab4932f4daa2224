package iam

import "fmt"

// Error is a refusal that a client understands: AWS's code, wording and HTTP
// status.
type Error struct {
	Code    string
	Message string
	Status  int
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Codes of refusals, in AWS's words.
const (
	CodeNoSuchEntity   = "NoSuchEntity"
	CodeAlreadyExists  = "EntityAlreadyExists"
	CodeDeleteConflict = "DeleteConflict"
	CodeLimitExceeded  = "LimitExceeded"
	CodeInvalidInput   = "InvalidInput"
	CodeMalformed      = "MalformedPolicyDocument"
	CodeUnmodifiable   = "UnmodifiableEntity"
	CodeNotAttachable  = "PolicyNotAttachable"
	CodeValidation     = "ValidationError"
)

var statuses = map[string]int{
	CodeNoSuchEntity:   404,
	CodeAlreadyExists:  409,
	CodeDeleteConflict: 409,
	CodeLimitExceeded:  409,
}

// refuse makes an Error; codes without a status of their own are 400.
func refuse(code, format string, args ...any) *Error {
	status, ok := statuses[code]
	if !ok {
		status = 400
	}
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Status: status}
}
