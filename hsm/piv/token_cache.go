package piv

import (
	lru "container/list"
	"strconv"

	"github.com/keyd-hsm/keyd/hsm"
)

// workingCopies are the unwrapped keys that are kept between uses, the least
// recently used leaving first. The token's mu guards them.
type workingCopies struct {
	memory *memory
	// most bounds them all: secrets take places of memory, pairs of the heap.
	most   int
	byName map[string]*lru.Element
	recent *lru.List // of *workingCopy, most recently used first
	// forgets counts calls of forget, so that a key which is forgotten while it is
	// being unwrapped is not kept afterwards.
	forgets uint64
}

// workingCopy is one key: a secret, or the private key of a pair.
type workingCopy struct {
	name   string
	kind   tokenKind
	secret secret
	pair   pair // nil for a secret
}

func newWorkingCopies(m *memory, most int) workingCopies {
	return workingCopies{memory: m, most: most, byName: make(map[string]*lru.Element), recent: lru.New()}
}

// copyName names a key among the copies. Ids hold any byte, so their length goes
// first.
func copyName(k hsm.Key) string {
	if k.Resident != "" {
		return "resident " + k.Resident
	}
	return "wrapped " + strconv.Itoa(len(k.Domain)) + " " + k.Domain + string(k.Wrapped)
}

// find returns the copy of that name, nil if there is none of that kind: a key
// that is called another may do other things.
func (c *workingCopies) find(name string, k tokenKind) *workingCopy {
	at := c.byName[name]
	if at == nil || at.Value.(*workingCopy).kind != k {
		return nil
	}
	c.recent.MoveToFront(at)
	return at.Value.(*workingCopy)
}

// add keeps a key that was unwrapped since the moment then, and wipes material.
func (c *workingCopies) add(name string, k tokenKind, material []byte, p pair, then uint64) error {
	defer clear(material)
	if c.forgets != then {
		return nil
	}
	if at := c.byName[name]; at != nil {
		c.drop(at)
	}
	for c.recent.Len() >= c.most {
		c.drop(c.recent.Back())
	}
	w := &workingCopy{name: name, kind: k, pair: p}
	if p == nil {
		var err error
		if w.secret, err = c.memory.put(material); err != nil {
			return err
		}
	}
	c.byName[name] = c.recent.PushFront(w)
	return nil
}

// forget wipes a key.
func (c *workingCopies) forget(name string) {
	c.forgets++
	if at := c.byName[name]; at != nil {
		c.drop(at)
	}
}

func (c *workingCopies) drop(at *lru.Element) {
	w := c.recent.Remove(at).(*workingCopy)
	delete(c.byName, w.name)
	if w.pair == nil {
		c.memory.wipe(w.secret)
	}
}
