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
// multi-valued key. A typed one becomes a text only where one is asked for.
type Value struct {
	text    string
	list    []string
	addr    netip.Addr
	seconds int64 // since 1970; or a number
	nanos   int32
	typed   valueType
	several bool // a multi-valued key: the list counts
	clash   bool // keys that differ only in case: the list holds the value of each (rule 4.2)
}

type valueType uint8

const (
	asText valueType = iota
	asNumber
	asDate
	asAddr
)

// Text is a value of one text. Operators of every type understand it.
func Text(s string) Value { return Value{text: s} }

// List is the value of a multi-valued key such as aws:TagKeys; an empty one is
// as if the key were absent.
func List(s []string) Value { return Value{list: s, several: true} }

// Bool is a truth value.
func Bool(b bool) Value { return Value{text: strconv.FormatBool(b)} }

// Int is a number.
func Int(n int64) Value { return Value{seconds: n, typed: asNumber} }

// Time is an instant.
func Time(t time.Time) Value {
	return Value{seconds: t.Unix(), nanos: int32(t.Nanosecond()), typed: asDate}
}

// Addr is an IP address.
func Addr(a netip.Addr) Value { return Value{addr: a.Unmap(), typed: asAddr} }

// string is the text of a value of one.
func (v *Value) string() string {
	switch v.typed {
	case asNumber:
		return strconv.FormatInt(v.seconds, 10)
	case asDate:
		return v.date().UTC().Format(time.RFC3339Nano)
	case asAddr:
		return v.addr.String()
	}
	return v.text
}

func (v *Value) date() time.Time { return time.Unix(v.seconds, int64(v.nanos)) }

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

// ConditionKey is a condition key that is used again and again, made once.
type ConditionKey struct{ key }

// NewConditionKey makes the key of a name; case does not count.
func NewConditionKey(name string) ConditionKey { return ConditionKey{newKey(name)} }

// Name is the key's name, in lower case.
func (k ConditionKey) Name() string { return k.name }

// NewContext makes a context. Two facts whose keys differ only in case both
// count: an Allow needs both to satisfy it, a Deny either (rule 4.2).
func NewContext(facts ...Fact) *Context {
	c := NewContextOf(len(facts))
	for _, f := range facts {
		c.add(newKey(f.Key), f.Value)
	}
	return c
}

// NewContextOf makes an empty context with room for about n facts, to be filled
// with Add and AddNamed before anybody else has it.
func NewContextOf(n int) *Context {
	size := 8
	for size < 2*n {
		size *= 2
	}
	return &Context{make([]entry, 0, n), make([]uint32, size)}
}

// Add puts a fact into a context that is being made.
func (c *Context) Add(k ConditionKey, v Value) { c.add(k.key, v) }

// AddNamed is Add for a key that has not been made before.
func (c *Context) AddNamed(name string, v Value) { c.add(newKey(name), v) }

func (c *Context) add(k key, v Value) {
	if len(c.slots) <= 2*len(c.entries) {
		c.grow()
	}
	i := c.slot(k)
	if n := c.slots[i]; n != 0 {
		old := &c.entries[n-1].value
		*old = old.join(v)
		return
	}
	c.entries = append(c.entries, entry{k, v})
	c.slots[i] = uint32(len(c.entries))
}

// grow makes room, so that at most half of the slots are taken.
func (c *Context) grow() {
	c.slots = make([]uint32, max(8, 2*len(c.slots)))
	for i := range c.entries {
		c.slots[c.slot(c.entries[i].key)] = uint32(i + 1)
	}
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
	if !v.several && !v.clash && !w.several && !w.clash && v.string() == w.string() {
		return v
	}
	several := v.several || w.several
	return Value{list: slices.Concat(v.texts(), w.texts()), several: several, clash: !several}
}

func (v Value) texts() []string {
	if v.several || v.clash {
		return v.list
	}
	return []string{v.string()}
}
