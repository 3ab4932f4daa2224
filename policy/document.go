package policy

// Versions of the language. An absent Version means the old one, in which
// ${…} is plain text.
const (
	Version2008 = "2008-10-17"
	Version2012 = "2012-10-17"
)

// Effect is what a matching statement does.
type Effect string

// The two effects.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Statement is one rule of a policy, as written and compiled. Do not change it.
type Statement struct {
	Policy string // name of the policy that holds it; empty if it was not loaded by name
	Index  int    // position in the policy, from 0
	Line   int    // where it begins in the policy's text, from 1
	Column int    // in characters, from 1

	Sid        string
	Effect     Effect
	Principals Principals
	Actions    Elements
	Resources  Elements
	Conditions []Condition

	rule // what Actions, Resources and so on were compiled into
}

// Elements is an Action, NotAction, Resource or NotResource element.
type Elements struct {
	Present bool // the element was written, be it as an empty list
	Not     bool // it was the Not… form
	Values  []string
}

// Principals is a Principal or NotPrincipal element.
type Principals struct {
	Present bool
	Not     bool
	Entries []PrincipalEntry
}

// PrincipalEntry is one principal named by a statement.
type PrincipalEntry struct {
	// Type is AWS, Federated, Service or CanonicalUser. It is empty for a bare
	// string other than "*", which names nobody.
	Type  string
	Value string // an ARN, account id, unique id (AIDA…, AROA…) or "*"

	start, end int // where the JSON string stands in the policy's text
}

// Condition is one key under one operator.
type Condition struct {
	Operator string // as written: ForAnyValue:StringLikeIfExists
	Key      string
	Values   []string // true and 7 are kept as "true" and "7" (rule 4.7)
}
