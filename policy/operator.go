package policy

import "strings"

// An operator compares the value of a key with the values of a condition.
type operator struct {
	family  family
	negated bool    // no value may match, instead of any
	accept  [3]bool // of numbers and dates: less, equal, greater
}

type family uint8

const (
	exactString family = iota
	foldedString
	likeString
	numeric
	date
	boolean
	binary
	address
	arnLike
	null
)

var (
	equal     = [3]bool{false, true, false}
	less      = [3]bool{true, false, false}
	atMost    = [3]bool{true, true, false}
	greater   = [3]bool{false, false, true}
	atLeast   = [3]bool{false, true, true}
	operators = map[string]*operator{ // rule 4.4
		"StringEquals":              {family: exactString},
		"StringNotEquals":           {family: exactString, negated: true},
		"StringEqualsIgnoreCase":    {family: foldedString},
		"StringNotEqualsIgnoreCase": {family: foldedString, negated: true},
		"StringLike":                {family: likeString},
		"StringNotLike":             {family: likeString, negated: true},
		"NumericEquals":             {family: numeric, accept: equal},
		"NumericNotEquals":          {family: numeric, accept: equal, negated: true},
		"NumericLessThan":           {family: numeric, accept: less},
		"NumericLessThanEquals":     {family: numeric, accept: atMost},
		"NumericGreaterThan":        {family: numeric, accept: greater},
		"NumericGreaterThanEquals":  {family: numeric, accept: atLeast},
		"DateEquals":                {family: date, accept: equal},
		"DateNotEquals":             {family: date, accept: equal, negated: true},
		"DateLessThan":              {family: date, accept: less},
		"DateLessThanEquals":        {family: date, accept: atMost},
		"DateGreaterThan":           {family: date, accept: greater},
		"DateGreaterThanEquals":     {family: date, accept: atLeast},
		"Bool":                      {family: boolean},
		"BinaryEquals":              {family: binary},
		"IpAddress":                 {family: address},
		"NotIpAddress":              {family: address, negated: true},
		"ArnEquals":                 {family: arnLike},
		"ArnLike":                   {family: arnLike},
		"ArnNotEquals":              {family: arnLike, negated: true},
		"ArnNotLike":                {family: arnLike, negated: true},
		"Null":                      {family: null},
	}
)

// A quantifier says how a condition treats the values of a multi-valued key.
type quantifier uint8

const (
	single quantifier = iota
	forAll
	forAny
)

// parseOperator takes an operator's name apart. It returns nil for one that is
// not of the language.
func parseOperator(name string) (op *operator, q quantifier, ifExists bool) {
	if rest, ok := strings.CutPrefix(name, "ForAllValues:"); ok {
		name, q = rest, forAll
	} else if rest, ok := strings.CutPrefix(name, "ForAnyValue:"); ok {
		name, q = rest, forAny
	}
	name, ifExists = strings.CutSuffix(name, "IfExists")
	op = operators[name]
	if op != nil && op.family == null && ifExists {
		op = nil
	}
	return op, q, ifExists
}
