package sigv4

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Kind says what was wrong with a signature, in the terms of AWS's error codes.
type Kind int

const (
	// Malformed: the request line or Content-Type is not what HTTP and AWS allow.
	Malformed Kind = iota + 1
	// MissingAuthenticationToken: the request is not signed at all.
	MissingAuthenticationToken
	// IncompleteSignature: a part of the signature is missing or has no valid form.
	IncompleteSignature
	// SignatureDoesNotMatch: wrong signature, date or scope, or a header unsigned.
	SignatureDoesNotMatch
	// InvalidClientTokenID: unknown or inactive access key, or a token not its own.
	InvalidClientTokenID
	// ExpiredToken: the session of a temporary access key is over.
	ExpiredToken
)

// Error is a request refused for its signature.
type Error struct {
	Kind Kind
	// Message is AWS's text. It repeats nothing of the request but short, printable
	// parts of the scope and date.
	Message string
	// AccessKeyID is what the request claimed, "" for none: for the audit log,
	// proved by nothing.
	AccessKeyID string
}

// Error gives the message.
func (e *Error) Error() string { return "signature: " + e.Message }

// Answer is an error as a protocol sends it.
type Answer struct {
	Code    string
	Message string
	Status  int // HTTP
}

// JSON answers in the names of the JSON protocol (KMS, CloudTrail).
func (e *Error) JSON() Answer {
	code, ok := map[Kind]string{
		Malformed:                  "MalformedHttpRequestException",
		MissingAuthenticationToken: "MissingAuthenticationTokenException",
		IncompleteSignature:        "IncompleteSignatureException",
		InvalidClientTokenID:       "UnrecognizedClientException",
		ExpiredToken:               "ExpiredTokenException",
	}[e.Kind]
	if !ok {
		code = "InvalidSignatureException"
	}
	message := e.Message
	if e.Kind == MissingAuthenticationToken {
		message = "Missing Authentication Token"
	}
	return Answer{code, message, http.StatusBadRequest}
}

// Query answers in the names of the query protocol (STS, IAM).
func (e *Error) Query() Answer {
	switch e.Kind {
	case Malformed:
		return Answer{"MalformedQueryString", e.Message, http.StatusBadRequest}
	case MissingAuthenticationToken:
		return Answer{"MissingAuthenticationToken", e.Message, http.StatusForbidden}
	case IncompleteSignature:
		return Answer{"IncompleteSignature", e.Message, http.StatusBadRequest}
	case InvalidClientTokenID:
		return Answer{"InvalidClientTokenId", e.Message, http.StatusForbidden}
	case ExpiredToken:
		return Answer{"ExpiredToken", e.Message, http.StatusForbidden}
	default:
		return Answer{"SignatureDoesNotMatch", e.Message, http.StatusForbidden}
	}
}

func malformed(message string) *Error  { return &Error{Kind: Malformed, Message: message} }
func incomplete(message string) *Error { return &Error{Kind: IncompleteSignature, Message: message} }

func mismatch() *Error {
	return &Error{Kind: SignatureDoesNotMatch, Message: "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
}

func invalidToken() *Error {
	return &Error{Kind: InvalidClientTokenID, Message: "The security token included in the request is invalid."}
}

func expiredToken() *Error {
	return &Error{Kind: ExpiredToken, Message: "The security token included in the request is expired"}
}

// unsupported names the algorithm only where it is one of AWS's: what else
// stands there may be a password or token of another scheme.
func unsupported(alg string) *Error {
	if !strings.HasPrefix(alg, "AWS4-") {
		return incomplete("Unsupported AWS 'algorithm' (only " + algorithm + " for now).")
	}
	return incomplete("Unsupported AWS 'algorithm': '" + clip(alg) + "' (only " + algorithm + " for now).")
}

func mustSign(header string) *Error {
	return &Error{Kind: SignatureDoesNotMatch, Message: "'" + header + "' must be a 'SignedHeader' in the AWS Authorization."}
}

func notYet(at, now time.Time) *Error {
	return &Error{Kind: SignatureDoesNotMatch, Message: fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + 5 min.)",
		at.Format(timeFormat), now.Add(maxSkew).Format(timeFormat), now.Format(timeFormat))}
}

func expired(at, now time.Time, valid time.Duration) *Error {
	window := fmt.Sprintf("%d min.", valid/time.Minute)
	if valid%time.Minute != 0 {
		window = fmt.Sprintf("%d sec.", valid/time.Second)
	}
	return &Error{Kind: SignatureDoesNotMatch, Message: fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %s)",
		at.Format(timeFormat), now.Add(-valid).Format(timeFormat), now.Format(timeFormat), window)}
}

// clip makes a foreign string fit to be repeated: printable ASCII, and short.
func clip(s string) string {
	const limit = 64
	if len(s) > limit {
		s = s[:limit] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// digest stands in a message for an Authorization header, as AWS does it: who
// sent the header can recognise it, and a log does not hold it.
func digest(header string) string {
	sum := sha256.Sum256([]byte(header))
	return base64.StdEncoding.EncodeToString(sum[:])
}
