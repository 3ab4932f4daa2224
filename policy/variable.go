package policy

import (
	"slices"
	"strings"
)

// lastBrace is where the last variable ends: no ${ after it is one. Without it,
// each would search to the end of the text.
func lastBrace(text string, variables bool) int {
	if !variables {
		return -1
	}
	return strings.LastIndexByte(text, '}')
}

// variableAt gives the name and length of the ${name} at i; no length if there is none.
func variableAt(text string, i, last int) (name string, length int) {
	if i+2 > last || text[i:i+2] != "${" {
		return "", 0
	}
	name, _, _ = strings.Cut(text[i+2:], "}")
	return name, len(name) + 3
}

// newVariable reads what stands between the braces: key, or key, 'default'. A
// default that is not quoted leaves the variable without a value.
func newVariable(inside string) piece {
	name, other, more := strings.Cut(inside, ",")
	v := piece{what: variable, key: newKey(strings.TrimSpace(name))}
	other = strings.TrimSpace(other)
	if n := len(other); more && n >= 2 && other[0] == '\'' && other[n-1] == '\'' {
		v.text, v.fallback = other[1:n-1], true
	} else if more {
		v.key = key{}
	}
	return v
}

// resolve gives the text that a literal or variable stands for. A variable
// without a value, or of a multi-valued key, stands for none (rules 4.8, 4.9).
func (p *piece) resolve(c *Context) (string, bool) {
	if p.what == literal {
		return p.text, true
	}
	if v := c.find(p.key); v != nil {
		return v.string(), !v.several && !v.clash
	}
	return p.text, p.fallback
}

func (p *pattern) variable() bool {
	return slices.ContainsFunc(p.pieces, func(x piece) bool { return x.what == variable })
}

// unclear reports whether a variable stands for several keys that differ only in case.
func (p *pattern) unclear(c *Context) bool {
	for i := range p.pieces {
		if x := &p.pieces[i]; x.what == variable {
			if v := c.find(x.key); v != nil && v.clash {
				return true
			}
		}
	}
	return false
}
