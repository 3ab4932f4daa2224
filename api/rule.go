package api

import (
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// No bound in a [Rule].
const (
	NoMin = math.MinInt64
	NoMax = math.MaxInt64
)

// Rule is what a model says of one shape. For strings, blobs, lists and maps
// Min and Max bound the length, for numbers the value. A string's length is
// counted in UTF-16 units, as Java's String.length does and so AWS.
type Rule struct {
	Min, Max  int64
	Pattern   *Pattern // nil: any text
	Enum      []string // nil: any value
	Sensitive bool     // its values are left out of errors
}

// admits reports whether s satisfies r. It is the whole cost of a valid string.
func (r *Rule) admits(s string) bool {
	return r.fits(s) && (r.Enum == nil || slices.Contains(r.Enum, s)) &&
		(r.Pattern == nil || r.Pattern.Match(s))
}

// fits reports whether the length of s is within bounds. UTF-8 never has fewer
// bytes than UTF-16 has units, nor more than three times as many, so that most
// strings need not be counted.
func (r *Rule) fits(s string) bool {
	n := int64(len(s))
	if n <= r.Max && (n+2)/3 >= r.Min {
		return true
	}
	units := utf16Len(s)
	return units >= r.Min && units <= r.Max
}

// broken lists the constraints of r that s does not satisfy, in AWS's order:
// the pattern before the length.
func (r *Rule) broken(s string) []string {
	var list []string
	if r.Pattern != nil && !r.Pattern.Match(s) {
		list = append(list, r.patternText())
	}
	units := utf16Len(s)
	if units > r.Max {
		list = append(list, r.maxText())
	}
	if units < r.Min {
		list = append(list, r.minText())
	}
	if r.Enum != nil && !slices.Contains(r.Enum, s) {
		list = append(list, r.enumText())
	}
	return list
}

// String lists all constraints of r, in the order that AWS gives for the members
// of a list, which is not that of broken: the length before the pattern.
func (r *Rule) String() string {
	var list []string
	if r.Max != NoMax {
		list = append(list, r.maxText())
	}
	if r.Min != NoMin {
		list = append(list, r.minText())
	}
	if r.Pattern != nil {
		list = append(list, r.patternText())
	}
	if r.Enum != nil {
		list = append(list, r.enumText())
	}
	return strings.Join(list, ", ")
}

func (r *Rule) maxText() string {
	return "Member must have length less than or equal to " + itoa(r.Max)
}

func (r *Rule) minText() string {
	return "Member must have length greater than or equal to " + itoa(r.Min)
}

func (r *Rule) patternText() string {
	return "Member must satisfy regular expression pattern: " + r.Pattern.String()
}

func (r *Rule) enumText() string {
	return "Member must satisfy enum value set: [" + strings.Join(r.Enum, ", ") + "]"
}

// utf16Len counts the UTF-16 units of s.
func utf16Len(s string) int64 {
	var n int64
	for _, c := range s {
		n++
		if c > 0xFFFF {
			n++
		}
	}
	return n
}

const (
	// maxEcho bounds, in bytes, how much of a value an error repeats. AWS
	// repeats values whole; a caller loses nothing by the cut.
	maxEcho = 1024
	// maxShown bounds how many elements of a list or map an error repeats.
	maxShown = 64
)

// quote puts a value into quotes for an error, cut to maxEcho.
func quote(s string) string {
	if len(s) <= maxEcho {
		return "'" + s + "'"
	}
	cut := maxEcho
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return "'" + s[:cut] + "…'"
}

// joined writes elements as Java prints collections, "[a, b]".
func joined(open string, elems iter.Seq[string], shut string, more bool) string {
	var b strings.Builder
	b.WriteString(open)
	for s := range elems {
		if b.Len() > maxEcho {
			more = true
			break
		}
		if b.Len() > len(open) {
			b.WriteString(", ")
		}
		b.WriteString(s)
	}
	if more {
		b.WriteString(", …")
	}
	b.WriteString(shut)
	return b.String()
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
