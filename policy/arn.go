package policy

import (
	"slices"
	"strings"
)

// An arn is cut into its six segments; the last keeps further colons.
type arn struct {
	text     string
	segments [6]string
}

// cutARN reports false for a text of fewer than six segments.
func cutARN(s string) (a arn, ok bool) {
	a.text = s
	for i := range 5 {
		if a.segments[i], s, ok = strings.Cut(s, ":"); !ok {
			return a, false
		}
	}
	a.segments[5] = s
	return a, true
}

// An arnPattern is matched segment by segment, so that a wildcard never reaches
// over a colon (rule 3.5).
type arnPattern struct {
	all      bool   // a lone *
	never    bool   // matches nothing
	variable bool   // some segment holds a variable
	plain    int    // this many segments from the left are without wildcards and variables,
	start    string // and this is their text, with the colon that follows
	rest     []segment
}

// A segment is one of those behind the plain ones that not everything fits.
type segment struct {
	index int
	pattern
}

// newARNPattern takes six segments.
func newARNPattern(segments [6]pattern) arnPattern {
	var p arnPattern
	for p.plain < 6 && segments[p.plain].shape == whole {
		p.start += segments[p.plain].head
		if p.plain++; p.plain < 6 {
			p.start += ":"
		}
	}
	for i := p.plain; i < 6; i++ {
		if q := segments[i]; q.shape != leading || q.head != "" {
			p.rest = append(p.rest, segment{i, q})
			p.variable = p.variable || q.variable()
		}
	}
	return p
}

// newResource compiles a resource of a policy. A short ARN is padded with *; in
// a key policy only if it holds one already (rule 3.5). Variables count only
// after the fifth colon (rule 4.8).
func newResource(text string, kind Kind, variables bool) arnPattern {
	if text == "*" {
		return arnPattern{all: true}
	}
	parts := strings.SplitN(text, ":", 6)
	if kind == Key && len(parts) < 6 && !strings.Contains(text, "*") {
		return arnPattern{never: true}
	}
	var segments [6]pattern
	for i := range segments {
		if i < len(parts) {
			segments[i] = newPattern(parts[i], true, variables && i == 5)
		} else {
			segments[i] = newPattern("*", true, false)
		}
	}
	return newARNPattern(segments)
}

// newARNOperand compiles a value of an Arn… operator. It is not padded: with
// fewer than six segments it equals nothing.
func newARNOperand(text string, variables bool) arnPattern {
	if text == "*" {
		return arnPattern{all: true}
	}
	parts := splitOutside(text, variables)
	if len(parts) < 6 {
		return arnPattern{never: true}
	}
	var segments [6]pattern
	for i := range segments {
		segments[i] = newPattern(parts[i], true, variables)
	}
	return newARNPattern(segments)
}

// splitOutside cuts at the first five colons that are not inside a variable.
func splitOutside(text string, variables bool) []string {
	var segments []string
	start, last := 0, lastBrace(text, variables)
	for i := 0; i < len(text) && len(segments) < 5; i++ {
		if _, n := variableAt(text, i, last); n > 0 {
			i += n - 1
		} else if text[i] == ':' {
			segments = append(segments, text[start:i])
			start = i + 1
		}
	}
	return append(segments, text[start:])
}

func (p *arnPattern) match(a *arn, c *Context) bool {
	switch {
	case p.all || p.never:
		return p.all
	case p.plain == 6:
		return same(a.text, p.start)
	case !strings.HasPrefix(a.text, p.start):
		return false
	}
	for i := range p.rest {
		if s := &p.rest[i]; !s.match(a.segments[s.index], c) {
			return false
		}
	}
	return true
}

// same compares ARNs, which begin alike and end in what tells them apart.
func same(a, b string) bool {
	n := len(a)
	return n == len(b) && n > 0 && a[n-1] == b[n-1] && a == b
}

// unclear reports whether a variable stands for several keys that differ only in case.
func (p *arnPattern) unclear(c *Context) bool {
	return p.variable && slices.ContainsFunc(p.rest, func(s segment) bool { return s.unclear(c) })
}
