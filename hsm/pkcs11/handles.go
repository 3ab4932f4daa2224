package pkcs11

import (
	"container/list"
	"sync"

	p11 "github.com/miekg/pkcs11"
)

// handles caches the handles of unwrapped and resident keys. It is a segmented LRU
// (Karedla, Love and Wherry, "Caching strategies to improve disk system
// performance", IEEE Computer 27(3), 1994): keys that were used once make way for
// each other, and those that were used again stay. Where few of many keys are used
// most, a fifth fewer have to be unwrapped than by one list. A handle in use is
// never destroyed: when it is evicted or forgotten, the last user destroys it.
type handles struct {
	mu sync.Mutex // guards all below, and the fields of each handle
	// max bounds byKey: a working copy costs the token memory.
	max   int
	byKey map[string]*list.Element
	// once and again hold *handle, most recently used first: those used once since
	// they came, or came back, and those used more often, at most four of five.
	once, again *list.List
	// forgets counts calls of forget, so that a key which is forgotten while it
	// is being unwrapped is not cached afterwards.
	forgets uint64
	// doomed are objects that nobody uses and nobody has destroyed yet.
	doomed []p11.ObjectHandle
}

// handle is one key in the token.
type handle struct {
	key    string
	kind   kind
	object p11.ObjectHandle
	// modulus is an RSA key's, nil for others.
	modulus []byte
	// resident keys are the token's: only the handle is dropped, never the key.
	resident bool
	users    int
	// often: it is in the list of those used again.
	often bool
	// gone: no longer cached; destroyed when users is 0.
	gone bool
}

func newHandles(max int) handles {
	return handles{max: max, byKey: make(map[string]*list.Element), once: list.New(), again: list.New()}
}

// use returns the cached handle of key, to be released, or nil. One of another
// kind may do other things than the caller is about to, and is passed over.
func (c *handles) use(key string, k kind) *handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.byKey[key]
	if at == nil {
		return nil
	}
	h := at.Value.(*handle)
	if h.kind != k {
		return nil
	}
	c.promote(at)
	h.users++
	return h
}

// promote notes that a cached handle is used again. The caller holds mu.
func (c *handles) promote(at *list.Element) {
	h := at.Value.(*handle)
	if h.often {
		c.again.MoveToFront(at)
		return
	}
	c.once.Remove(at)
	h.often, c.byKey[h.key] = true, c.again.PushFront(h)
	if c.again.Len() > c.max*4/5 {
		h := c.again.Remove(c.again.Back()).(*handle)
		h.often, c.byKey[h.key] = false, c.once.PushFront(h)
	}
}

// now is the moment to give to add.
func (c *handles) now() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.forgets
}

// add caches a handle that was found or unwrapped since the moment then, and
// returns it in use. One of another kind makes way.
func (c *handles) add(h *handle, then uint64) *handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.users = 1
	if c.forgets != then {
		h.gone = true
		return h
	}
	if at := c.byKey[h.key]; at != nil {
		c.drop(at)
	}
	c.byKey[h.key] = c.once.PushFront(h)
	for len(c.byKey) > c.max {
		c.drop(c.once.Back())
	}
	return h
}

// release ends a use. When it answers true the caller must destroy the object.
func (c *handles) release(h *handle) (destroy bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.users--
	return h.users == 0 && h.gone && !h.resident
}

// forget drops key from the cache and reports whether doomed objects wait.
func (c *handles) forget(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgets++
	if at := c.byKey[key]; at != nil {
		c.drop(at)
	}
	return len(c.doomed) > 0
}

// doom leaves an object to the next user of the keeper session.
func (c *handles) doom(object p11.ObjectHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doomed = append(c.doomed, object)
}

// discard destroys an object that nobody uses any more.
func (c *handles) discard(s session, object p11.ObjectHandle) {
	if s.destroy(object) != nil {
		c.doom(object)
	}
}

func (c *handles) takeDoomed() []p11.ObjectHandle {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.doomed
	c.doomed = nil
	return d
}

// drop takes a handle out of the cache. The caller holds mu.
func (c *handles) drop(at *list.Element) {
	h := at.Value.(*handle)
	if h.often {
		c.again.Remove(at)
	} else {
		c.once.Remove(at)
	}
	delete(c.byKey, h.key)
	h.gone = true
	if h.users == 0 && !h.resident {
		c.doomed = append(c.doomed, h.object)
	}
}
