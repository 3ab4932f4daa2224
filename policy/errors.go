package policy

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// ErrTooLarge: the text has more bytes than a policy of its kind may have. KMS
// answers it with LimitExceededException.
var ErrTooLarge = errors.New("policy too large")

// Error says why a policy is refused.
type Error struct {
	Kind   Kind
	Reason string // in AWS's words, to be sent to the caller
	Detail string // in ours: what exactly; may be empty
	Line   int    // from 1; 0 if the fault has no place
	Column int    // in characters, from 1
}

// Code is the error code with which AWS answers a policy of this kind.
func (e *Error) Code() string {
	if e.Kind == Key {
		return "MalformedPolicyDocumentException"
	}
	return "MalformedPolicyDocument"
}

func (e *Error) Error() string {
	text := e.Reason
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	if e.Line > 0 {
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, text)
	}
	return text
}

// AWS's words.
const (
	syntaxText      = "Syntax errors in policy."
	versionText     = "Policy document must be version 2012-10-17 or greater."
	legacyText      = "The policy failed legacy parsing"
	sidText         = "Statement IDs (SID) in a single policy must be unique."
	noActionsText   = "Policy statement must contain actions."
	noResourcesText = "Policy statement must contain resources."
	vendorlessText  = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	colonsText      = "Actions/Condition can contain only one colon."
	arnVendorText   = "Resource vendor must be fully qualified and cannot contain regexes."
	iamPathText     = `IAM resource path must either be "*" or start with ` + iamPaths + `.`
	iamPaths        = `user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, ` +
		`policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/`

	hasPrincipalText  = "Policy document should not specify a principal."
	noPrincipalText   = "Missing required field Principal"
	invalidInKeyText  = "Policy contains a statement with one or more invalid principals."
	trustResourceText = "Has prohibited field Resource"
	trustNotText      = "Has prohibited field NotPrincipal"
	trustActionText   = "AssumeRole policy may only specify STS AssumeRole actions."
	permissiveText    = "OverlyPermissiveCondition: Using the ForAllValues set operator with a single-valued condition key " +
		"matches requests without the specified encryption context or tag or with an unspecified encryption context or tag. To fix, remove ForAllValues."
	lockoutText = "The new key policy will not allow you to update the key policy in the future."
)

// place turns a byte offset into a line and column, both from 1.
func place(text []byte, offset int) (line, column int) {
	before := text[:min(max(offset, 0), len(text))]
	line = 1 + bytes.Count(before, []byte("\n"))
	column = 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return line, column
}
