package command

import (
	"fmt"
	"strings"
)

// pairs is an encryption context, or tags, on the command line: name=value,
// repeated.
// A value may hold "=", a name may not.
type pairs map[string]string

func (p *pairs) String() string { return "" }
func (p *pairs) Type() string   { return "NAME=VALUE" }

// Set adds one pair. It refuses a name given twice: one of the values would
// silently be lost.
func (p *pairs) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return fmt.Errorf("must be NAME=VALUE")
	}
	if _, twice := (*p)[name]; twice {
		return fmt.Errorf("%s is given twice", name)
	}
	if *p == nil {
		*p = pairs{}
	}
	(*p)[name] = value
	return nil
}
