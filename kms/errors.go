package kms

import (
	"errors"
	"fmt"

	"github.com/keyd-hsm/keyd/hsm"
)

// Error is a refusal that a client understands: AWS's name for it and AWS's
// wording. Message may be empty, where AWS sends none.
type Error struct {
	Code    string
	Message string
}

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// refuse makes an Error.
func refuse(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Codes of refusals, in AWS's words.
const (
	CodeAccessDenied         = "AccessDeniedException"
	CodeAlreadyExists        = "AlreadyExistsException"
	CodeDisabled             = "DisabledException"
	CodeDryRun               = "DryRunOperationException"
	CodeExpiredImportToken   = "ExpiredImportTokenException"
	CodeIncorrectKey         = "IncorrectKeyException"
	CodeIncorrectKeyMaterial = "IncorrectKeyMaterialException"
	CodeInvalidAliasName     = "InvalidAliasNameException"
	CodeInvalidArn           = "InvalidArnException"
	CodeInvalidCiphertext    = "InvalidCiphertextException"
	CodeInvalidGrantID       = "InvalidGrantIdException"
	CodeInvalidGrantToken    = "InvalidGrantTokenException"
	CodeInvalidImportToken   = "InvalidImportTokenException"
	CodeInvalidKeyUsage      = "InvalidKeyUsageException"
	CodeInvalidMAC           = "KMSInvalidMacException"
	CodeInvalidMarker        = "InvalidMarkerException"
	CodeInvalidSignature     = "KMSInvalidSignatureException"
	CodeInvalidState         = "KMSInvalidStateException"
	CodeLimitExceeded        = "LimitExceededException"
	CodeMalformedPolicy      = "MalformedPolicyDocumentException"
	CodeNotAuthorized        = "NotAuthorizedException"
	CodeNotFound             = "NotFoundException"
	CodeTag                  = "TagException"
	CodeUnsupportedOperation = "UnsupportedOperationException"
	CodeValidation           = "ValidationException"

	CodeClusterConfiguration = "CloudHsmClusterInvalidConfigurationException"
	CodeClusterInUse         = "CloudHsmClusterInUseException"
	CodeClusterNotActive     = "CloudHsmClusterNotActiveException"
	CodeClusterNotFound      = "CloudHsmClusterNotFoundException"
	CodeClusterNotRelated    = "CloudHsmClusterNotRelatedException"
	CodeStoreHasKeys         = "CustomKeyStoreHasCMKsException"
	CodeStoreNameInUse       = "CustomKeyStoreNameInUseException"
	CodeStoreNotFound        = "CustomKeyStoreNotFoundException"
	CodeStoreState           = "CustomKeyStoreInvalidStateException"
	CodeTrustAnchor          = "IncorrectTrustAnchorException"
)

// ErrCiphertextKey is the one answer for a ciphertext whose key is unknown, is
// in another region, or is closed to the caller: nobody learns which.
var ErrCiphertextKey = &Error{
	Code: CodeAccessDenied,
	Message: "The ciphertext refers to a customer master key that does not exist, " +
		"does not exist in this region, or you are not allowed to access.",
}

// ErrInvalidCiphertext is the one answer for every ciphertext that does not
// open, whatever the reason. AWS sends it without a message.
var ErrInvalidCiphertext = &Error{Code: CodeInvalidCiphertext}

// A CauseKind tells what stands behind an error that no client can mend.
type CauseKind int

// Causes of errors that are not refusals.
const (
	CauseOther       CauseKind = iota
	CauseUnavailable           // the token is gone or did not answer
	CauseUnsupported           // the token lacks a mechanism, which the error names
)

// Cause finds what stands behind an error, for callers that do not know tokens.
func Cause(err error) CauseKind {
	switch {
	case errors.Is(err, hsm.ErrUnavailable):
		return CauseUnavailable
	case errors.Is(err, hsm.ErrUnsupported):
		return CauseUnsupported
	}
	return CauseOther
}
