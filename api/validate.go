package api

import "strings"

// Constraints is what generated inputs have that a model constrains.
type Constraints interface {
	// Check tells c everything about the input that the model forbids.
	Check(c *Checker)
}

// Validate checks a decoded input, a pointer to a generated structure, against
// the constraints of its model. It returns nil or a *[ValidationError]; inputs
// without constraints always pass. It never changes the input.
func Validate(in any) error {
	x, ok := in.(Constraints)
	if !ok {
		return nil
	}
	var c Checker
	x.Check(&c)
	if c.count == 0 {
		return nil
	}
	return &ValidationError{Count: c.count, Violations: c.list}
}

// maxViolations bounds how many violations one error spells out; all are
// counted. AWS spells out every one, of requests it has bounded otherwise.
const maxViolations = 64

// ValidationError says what a request violates, in the words of AWS. The
// server sends it as ValidationException (JSON) or ValidationError (query).
type ValidationError struct {
	Count      int         // all violations
	Violations []Violation // the first 64 of them, in the order of the model
}

// Violation is one member that breaks one constraint.
type Violation struct {
	Path       string // "tags.1.member.tagKey"
	Value      string // "'…'", "null", or empty for a sensitive member
	Constraint string // "Member must not be null"
}

// Error returns AWS's text: "1 validation error detected: Value null at 'keyId'
// failed to satisfy constraint: Member must not be null".
func (e *ValidationError) Error() string {
	var b strings.Builder
	if e.Count == 1 {
		b.WriteString("1 validation error detected: ")
	} else {
		b.WriteString(itoa(int64(e.Count)))
		b.WriteString(" validation errors detected: ")
	}
	for i, v := range e.Violations {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString("Value ")
		if v.Value != "" {
			b.WriteString(v.Value)
			b.WriteByte(' ')
		}
		b.WriteString("at '")
		b.WriteString(v.Path)
		b.WriteString("' failed to satisfy constraint: ")
		b.WriteString(v.Constraint)
	}
	return b.String()
}
