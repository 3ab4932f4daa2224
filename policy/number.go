package policy

import (
	"cmp"
	"strings"
)

// A number is an integer or decimal of any length, compared exactly. Its parts
// are pieces of the text it was read from.
type number struct {
	negative        bool
	whole, fraction string // without leading and trailing zeros
}

// parseNumber accepts -?digits[.digits] and nothing else: no sign +, no exponent
// (rule 4.7).
func parseNumber(s string) (n number, ok bool) {
	s, n.negative = strings.CutPrefix(s, "-")
	whole, fraction, dot := strings.Cut(s, ".")
	if !digits(whole) || dot && !digits(fraction) {
		return number{}, false
	}
	n.whole = strings.TrimLeft(whole, "0")
	n.fraction = strings.TrimRight(fraction, "0")
	if n.whole == "" && n.fraction == "" {
		n.negative = false // -0
	}
	return n, true
}

func (n number) compare(m number) int {
	if n.negative != m.negative {
		if n.negative {
			return -1
		}
		return 1
	}
	c := cmp.Or(cmp.Compare(len(n.whole), len(m.whole)), strings.Compare(n.whole, m.whole), strings.Compare(n.fraction, m.fraction))
	if n.negative {
		return -c
	}
	return c
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
