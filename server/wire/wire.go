// Package wire puts requests and responses into bytes and takes them out again,
// as the two AWS protocols of keyd want it: JSON 1.1 for KMS and CloudTrail, the
// query protocol (a form in, XML out) for IAM and STS.
//
// Most callers need four calls: [DecodeJSON] and [EncodeJSON] for the one,
// [ParseForm] with [Form.Decode] and [EncodeXML] for the other. They work on the
// generated structures of package api and its subpackages, and on bytes; there
// is no HTTP in here.
//
// Every decoder is bounded in time and memory by the length of its input and
// the limits in this file, and refuses with a *[SerializationError]. Errors
// never repeat values. This package alone writes what api.SecretBytes and
// api.SecretString hold. Everything is safe for concurrent use.
package wire

const (
	// maxElements bounds a list or map of a request: the models allow far
	// fewer, and "{}," three bytes long must not become a large structure each.
	maxElements = 4096
	// maxDepth bounds how deep a member that nobody knows may nest. Known ones
	// nest as deep as their shapes, which is less.
	maxDepth = 64
	// maxParams bounds the parameters of a form.
	maxParams = 4096
	// maxParamName bounds the name of a form's parameter, in bytes.
	maxParamName = 512
)

// The codes of a [SerializationError], by protocol.
const (
	codeJSON  = "SerializationException"
	codeQuery = "MalformedInput"
)

// SerializationError says that a request is not what its protocol or its
// shapes demand: malformed, or a value of the wrong type. Its text is AWS's
// where AWS's is known, and holds no part of the request.
type SerializationError struct {
	Code    string // SerializationException for JSON, MalformedInput for query
	Message string
}

// Error returns the message, as it goes to the caller.
func (e *SerializationError) Error() string { return e.Message }

func badJSON(message string) error { return &SerializationError{codeJSON, message} }

func badForm(message string) error { return &SerializationError{codeQuery, message} }
