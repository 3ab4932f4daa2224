package policy

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Value is the value of a condition key: one text, or a list of texts for a
// multi-valued key. Typed values keep their type beside the text, so that they
// need not be parsed again for every condition.
type Value struct {
	text    string
	list    []string
	several bool // a multi-valued key: the list counts
	clash   bool // keys that differ only in case: the list holds the value of each (rule 4.2)

	date    time.Time
	addr    netip.Addr
	hasDate bool
}

// Text is a value of one text. Operators of every type understand it.
func Text(s string) Value { return Value{text: s} }

// List is the value of a multi-valued key such as aws:TagKeys; an empty one is
// as if the key were absent.
func List(s []string) Value { return Value{list: s, several: true} }

// Bool is a truth value.
func Bool(b bool) Value { return Value{text: strconv.FormatBool(b)} }

// Int is a number.
func Int(n int64) Value { return Value{text: strconv.FormatInt(n, 10)} }

// Time is an instant.
func Time(t time.Time) Value {
	return Value{text: t.UTC().Format(time.RFC3339Nano), date: t, hasDate: true}
}

// Addr is an IP address.
func Addr(a netip.Addr) Value { return Value{text: a.String(), addr: a.Unmap()} }

// Fact is one key of a context with its value. A key in lower case is taken as
// it is; any other costs an allocation.
type Fact struct {
	Key   string
	Value Value
}

// Context is what conditions ask about: an index of facts by lower-case key. The
// zero Context has none.
type Context struct {
	entries []entry
	slots   []uint32 // open addressing; 1 + index in entries, 0 is free
}

type entry struct {
	key   key
	value Value
}

// A key is a condition key, ready to be looked up.
type key struct {
	name string // lower case
	hash uint64
}

// One seed for the process: keys of encryption contexts come from callers, who
// must not be able to choose colliding ones.
var seed = maphash.MakeSeed()

func newKey(name string) key {
	name = strings.ToLower(name)
	return key{name, maphash.String(seed, name)}
}

// NewContext makes a context. Two facts whose keys differ only in case both
// count: an Allow needs both to satisfy it, a Deny either (rule 4.2).
func NewContext(facts ...Fact) *Context { return new(Context).With(facts...) }

// With returns a context with more facts; c stays as it is.
func (c *Context) With(facts ...Fact) *Context {
	size := 8
	for size < 2*(len(c.entries)+len(facts)) {
		size *= 2
	}
	d := &Context{make([]entry, 0, len(c.entries)+len(facts)), make([]uint32, size)}
	for _, e := range c.entries {
		d.add(e.key, e.value)
	}
	for _, f := range facts {
		d.add(newKey(f.Key), f.Value)
	}
	return d
}

func (c *Context) add(k key, v Value) {
	i := c.slot(k)
	if n := c.slots[i]; n != 0 {
		old := &c.entries[n-1].value
		*old = old.join(v)
		return
	}
	c.entries = append(c.entries, entry{k, v})
	c.slots[i] = uint32(len(c.entries))
}

// slot is where k is, or would be.
func (c *Context) slot(k key) int {
	mask := len(c.slots) - 1
	i := int(k.hash) & mask
	for n := c.slots[i]; n != 0; n = c.slots[i] {
		if e := &c.entries[n-1].key; e.hash == k.hash && e.name == k.name {
			break
		}
		i = (i + 1) & mask
	}
	return i
}

// find returns nil if the key is absent, or is a list without values.
func (c *Context) find(k key) *Value {
	if len(c.slots) == 0 {
		return nil
	}
	n := c.slots[c.slot(k)]
	if n == 0 {
		return nil
	}
	v := &c.entries[n-1].value
	if v.several && len(v.list) == 0 {
		return nil
	}
	return v
}

// join is the value of two keys that differ only in case.
func (v Value) join(w Value) Value {
	if !v.several && !v.clash && !w.several && !w.clash && v.text == w.text {
		return v
	}
	several := v.several || w.several
	return Value{list: slices.Concat(v.texts(), w.texts()), several: several, clash: !several}
}

func (v Value) texts() []string {
	if v.several || v.clash {
		return v.list
	}
	return []string{v.text}
}
