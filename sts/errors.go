package sts

import (
	"fmt"

	"github.com/keyd-hsm/keyd/iam"
)

// Codes of refusals, in AWS's words.
const (
	CodeAccessDenied     = "AccessDenied"
	CodeInvalidParameter = "InvalidParameterValue"
	CodeInvalidToken     = "InvalidIdentityToken"
	CodeExpired          = "ExpiredTokenException"
	CodeRejectedClaim    = "IDPRejectedClaim"
	CodeIDPUnreachable   = "IDPCommunicationError"
	CodePackedTooLarge   = "PackedPolicyTooLarge"
	CodeInvalidMessage   = "InvalidAuthorizationMessageException"
	CodeInvalidClient    = "InvalidClientTokenId"
)

// refuse makes an error that reaches the client as it is.
func refuse(code, format string, args ...any) *iam.Error {
	status := 400
	switch code {
	case CodeAccessDenied, CodeRejectedClaim, CodeInvalidClient:
		status = 403
	}
	return &iam.Error{Code: code, Message: fmt.Sprintf(format, args...), Status: status}
}
