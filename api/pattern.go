package api

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
)

// Pattern is a regular expression of a model. It is compiled on first use, once,
// and matches whole values only, as AWS's services do.
type Pattern struct {
	source string // as the model has it: Java's syntax
	re2    string // an equivalent where Go lacks a feature of Java; else empty
	once   sync.Once
	match  func(string) bool
}

// NewPattern makes a pattern from Java's syntax. re2 is empty, or says the same
// in Go's where no translation is possible.
func NewPattern(java, re2 string) *Pattern { return &Pattern{source: java, re2: re2} }

// String returns the pattern as the model has it.
func (p *Pattern) String() string { return p.source }

// Match reports whether all of s matches. It takes time linear in len(s). A
// pattern that does not compile matches nothing; [Pattern.Compile] tells.
func (p *Pattern) Match(s string) bool {
	p.once.Do(func() {
		match, err := p.compile()
		if err != nil {
			match = func(string) bool { return false }
		}
		p.match = match
	})
	return p.match(s)
}

// Compile reports whether the pattern can be matched at all.
func (p *Pattern) Compile() error {
	_, err := p.compile()
	return err
}

func (p *Pattern) compile() (func(string) bool, error) {
	expr := p.re2
	if expr == "" {
		var err error
		if expr, err = translate(p.source); err != nil {
			return nil, err
		}
	}
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", p.source, err)
	}
	if match := classMatcher(parsed); match != nil {
		return match, nil
	}
	re, err := regexp.Compile(`\A(?:` + expr + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", p.source, err)
	}
	return re.MatchString, nil
}

// translate turns Java's syntax into RE2's where they differ in what the models
// use: \uXXXX has exactly four digits, \s has the vertical tab too, and a class
// may hold another class or an intersection, which is refused.
func translate(java string) (string, error) {
	var b strings.Builder
	inClass := false
	for i := 0; i < len(java); i++ {
		c := java[i]
		switch {
		case c == '\\' && i+5 < len(java) && java[i+1] == 'u':
			fmt.Fprintf(&b, `\x{%s}`, java[i+2:i+6])
			i += 5
		case c == '\\' && i+1 < len(java) && java[i+1] == 's':
			if inClass {
				b.WriteString(`\s\v`)
			} else {
				b.WriteString(`[\s\v]`)
			}
			i++
		case c == '\\' && i+1 < len(java):
			b.WriteString(java[i : i+2])
			i++
		case inClass && (c == '[' || strings.HasPrefix(java[i:], "&&")):
			return "", fmt.Errorf("pattern %q: nested class not supported", java)
		default:
			inClass = (inClass || c == '[') && c != ']'
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// classMatcher matches a repeated character class by a look into a table. Most
// patterns of the models are one, and policies that they guard are long. It
// returns nil for anything else.
func classMatcher(re *syntax.Regexp) func(string) bool {
	if re.Op == syntax.OpConcat && len(re.Sub) == 3 &&
		re.Sub[0].Op == syntax.OpBeginText && re.Sub[2].Op == syntax.OpEndText {
		re = re.Sub[1]
	}
	if (re.Op != syntax.OpStar && re.Op != syntax.OpPlus) || re.Sub[0].Op != syntax.OpCharClass {
		return nil
	}
	ranges, least := re.Sub[0].Rune, 0
	if re.Op == syntax.OpPlus {
		least = 1
	}
	var latin [256]bool
	for c := range latin {
		latin[c] = inRanges(ranges, rune(c))
	}
	return func(s string) bool {
		for _, c := range s {
			if c < 256 && !latin[c] || c >= 256 && !inRanges(ranges, c) {
				return false
			}
		}
		return len(s) >= least
	}
}

// inRanges reports whether c lies in one of the sorted pairs of bounds.
func inRanges(ranges []rune, c rune) bool {
	lo, hi := 0, len(ranges)/2
	for lo < hi {
		mid := (lo + hi) / 2
		switch {
		case c < ranges[2*mid]:
			hi = mid
		case c > ranges[2*mid+1]:
			lo = mid + 1
		default:
			return true
		}
	}
	return false
}
