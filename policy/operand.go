package policy

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"time"
)

// An operand is one value of a condition, in the type of its operator.
type operand struct {
	text pattern
	arn  *arnPattern
	*typed
}

type typed struct {
	number number
	date   time.Time
	truth  bool
	octets string
	net    netip.Prefix
}

// newOperand reports false for a value that is not of the operator's type.
// Variables are for strings and ARNs only (rule 4.8).
func newOperand(f family, s string, variables bool) (_ operand, ok bool) {
	switch f {
	case exactString, foldedString:
		return operand{text: newPattern(s, false, variables)}, true
	case likeString:
		return operand{text: newPattern(s, true, variables)}, true
	case arnLike:
		p := newARNOperand(s, variables)
		return operand{arn: &p}, true
	}
	t := new(typed)
	switch f {
	case numeric:
		t.number, ok = parseNumber(s)
	case date:
		t.date, ok = parseDate(s)
	case boolean, null:
		t.truth, ok = parseBool(s)
	case binary:
		t.octets, ok = parseBinary(s)
	case address:
		t.net, ok = parsePrefix(s)
	}
	return operand{typed: t}, ok
}

func (o *operand) variable() bool { return o.text.variable() || o.arn != nil && o.arn.variable }

func (o *operand) unclear(c *Context) bool {
	return o.text.unclear(c) || o.arn != nil && o.arn.unclear(c)
}

// A subject is one value of a key, under comparison.
type subject struct {
	text string // one of a list
	from *Value // else the value
}

func (v subject) string() string {
	if v.from != nil {
		return v.from.string()
	}
	return v.text
}

// matches reports whether the subject equals, resembles or relates to an
// operand, as the operator asks. What is not of the operator's type does not.
func (op *operator) matches(v subject, operands []operand, c *Context) bool {
	switch op.family {
	case exactString, likeString:
		text := v.string()
		for i := range operands {
			if operands[i].text.match(text, c) {
				return true
			}
		}
	case foldedString:
		text := v.string()
		for i := range operands {
			if operands[i].text.matchFold(text, c) {
				return true
			}
		}
	case arnLike:
		a, ok := cutARN(v.string())
		for i := range operands {
			if p := operands[i].arn; p.all || ok && p.match(&a, c) {
				return true
			}
		}
	default:
		return op.matchesTyped(v, operands)
	}
	return false
}

func (op *operator) matchesTyped(v subject, operands []operand) bool {
	switch op.family {
	case numeric:
		n, ok := parseNumber(v.string())
		for i := range operands {
			if ok && op.accept[1+n.compare(operands[i].number)] {
				return true
			}
		}
	case date:
		t, ok := v.date()
		for i := range operands {
			if ok && op.accept[1+t.Compare(operands[i].date)] {
				return true
			}
		}
	case address:
		a, ok := v.addr()
		for i := range operands {
			if ok && operands[i].net.Contains(a) {
				return true
			}
		}
	case boolean:
		b, ok := parseBool(v.string())
		for i := range operands {
			if ok && b == operands[i].truth {
				return true
			}
		}
	case binary:
		s, ok := parseBinary(v.string())
		for i := range operands {
			if ok && s == operands[i].octets {
				return true
			}
		}
	}
	return false
}

func (v subject) date() (time.Time, bool) {
	if v.from != nil && v.from.typed == asDate {
		return v.from.date(), true
	}
	return parseDate(v.string())
}

func (v subject) addr() (netip.Addr, bool) {
	if v.from != nil && v.from.typed == asAddr {
		return v.from.addr, true
	}
	a, err := netip.ParseAddr(v.string())
	return a.Unmap(), err == nil && a.Zone() == ""
}

func parseBool(s string) (value, ok bool) {
	value = strings.EqualFold(s, "true")
	return value, value || strings.EqualFold(s, "false")
}

func parseBinary(s string) (string, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	return string(b), err == nil
}

// parsePrefix reads a CIDR range or an address, and takes IPv4 out of IPv6.
func parsePrefix(s string) (netip.Prefix, bool) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), err == nil && a.Zone() == ""
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, false
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}
