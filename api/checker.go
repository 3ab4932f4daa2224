package api

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Checker gathers violations while generated Check methods walk an input. Its
// zero value is ready. It costs nothing where nothing is violated: names, paths
// and values are put into text only when they are needed.
type Checker struct {
	count int
	list  []Violation
	path  []step
}

// step is one level of the way to a member: its name, and the position in a
// list, counted from 1, or 0.
type step struct {
	name  string
	index int
}

// Missing notes that a required member is absent.
func (c *Checker) Missing(name string) {
	c.add(name, "null", "Member must not be null")
}

// Enter goes down into a structure member; index counts from 1 within a list
// and is 0 otherwise. Leave goes back.
func (c *Checker) Enter(name string, index int) {
	c.path = append(c.path, step{name: name, index: index})
}

// Leave undoes the last Enter.
func (c *Checker) Leave() { c.path = c.path[:len(c.path)-1] }

// String checks a string, or the value of an enum, against r.
func (c *Checker) String(name, s string, r *Rule) {
	if r.admits(s) {
		return
	}
	for _, text := range r.broken(s) {
		c.addValue(name, r, text, func() string { return s })
	}
}

// Blob checks the length of a blob in bytes.
func (c *Checker) Blob(name string, b []byte, r *Rule) {
	c.length(name, len(b), r, func() string {
		// What Java prints for the ByteBuffer that AWS's services decode into.
		n := strconv.Itoa(len(b))
		return "java.nio.HeapByteBuffer[pos=0 lim=" + n + " cap=" + n + "]"
	})
}

// Int checks the value of a number.
func (c *Checker) Int(name string, n int64, r *Rule) {
	show := func() string { return itoa(n) }
	if n > r.Max {
		c.addValue(name, r, "Member must have value less than or equal to "+itoa(r.Max), show)
	}
	if n < r.Min {
		c.addValue(name, r, "Member must have value greater than or equal to "+itoa(r.Min), show)
	}
}

// List checks the length of a list of structures of the given type. The
// structures are checked by the caller, one by one, between Enter and Leave.
func (c *Checker) List(name string, n int, r *Rule, shape string) {
	c.length(name, n, r, func() string {
		shown := min(n, maxShown)
		return joined("[", slices.Values(slices.Repeat([]string{shape}, shown)), "]", n > shown)
	})
}

// CheckStrings checks the length of a list of strings or enums against list and
// its elements against each.
func CheckStrings[S ~string](c *Checker, name string, v []S, list, each *Rule) {
	show := func() string {
		shown := v[:min(len(v), maxShown)]
		return joined("[", func(yield func(string) bool) {
			for _, s := range shown {
				if !yield(string(s)) {
					return
				}
			}
		}, "]", len(v) > len(shown))
	}
	quiet := *list
	quiet.Sensitive = list.Sensitive || each.Sensitive
	c.length(name, len(v), &quiet, show)
	for _, s := range v {
		if !each.admits(string(s)) {
			c.addValue(name, &quiet, "Member must satisfy constraint: ["+each.String()+"]", show)
			return
		}
	}
}

// CheckMap checks the size of a map of strings against size, its keys and its
// values against theirs.
func CheckMap[K, V ~string](c *Checker, name string, m map[K]V, size, key, value *Rule) {
	show := func() string { return showMap(m) }
	quiet := *size
	quiet.Sensitive = size.Sensitive || key.Sensitive || value.Sensitive
	c.length(name, len(m), &quiet, show)
	var badKey, badValue bool
	for k, v := range m {
		badKey = badKey || !key.admits(string(k))
		badValue = badValue || !value.admits(string(v))
	}
	if badKey {
		c.addValue(name, &quiet, "Map keys must satisfy constraint: ["+key.String()+"]", show)
	}
	if badValue {
		c.addValue(name, &quiet, "Map value must satisfy constraint: ["+value.String()+"]", show)
	}
}

// showMap writes a map as Java does, "{a=1, b=2}", sorted, so that the same
// request gets the same answer.
func showMap[K, V ~string](m map[K]V) string {
	keys := slices.Sorted(maps.Keys(m))
	shown := keys[:min(len(keys), maxShown)]
	return joined("{", func(yield func(string) bool) {
		for _, k := range shown {
			if !yield(string(k) + "=" + string(m[k])) {
				return
			}
		}
	}, "}", len(keys) > len(shown))
}

// length checks how long a blob, list or map is.
func (c *Checker) length(name string, n int, r *Rule, show func() string) {
	if int64(n) > r.Max {
		c.addValue(name, r, r.maxText(), show)
	}
	if int64(n) < r.Min {
		c.addValue(name, r, r.minText(), show)
	}
}

// addValue notes a violation by a value, which is shown unless it is sensitive.
func (c *Checker) addValue(name string, r *Rule, constraint string, show func() string) {
	if r.Sensitive {
		c.add(name, "", constraint)
		return
	}
	c.add(name, quote(show()), constraint)
}

func (c *Checker) add(name, value, constraint string) {
	c.count++
	if len(c.list) == maxViolations {
		return
	}
	var b strings.Builder
	for _, s := range c.path {
		b.WriteString(s.name)
		if s.index > 0 {
			b.WriteByte('.')
			b.WriteString(strconv.Itoa(s.index))
			b.WriteString(".member")
		}
		b.WriteByte('.')
	}
	b.WriteString(name)
	c.list = append(c.list, Violation{Path: b.String(), Value: value, Constraint: constraint})
}
