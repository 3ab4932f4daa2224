package pkcs11

import (
	"container/list"
	"sync"

	p11 "github.com/miekg/pkcs11"
)

// handles caches the handles of unwrapped and resident keys, the least
// recently used leaving first. A handle in use is never destroyed: when it is
// evicted or forgotten, the last user destroys it.
type handles struct {
	mu sync.Mutex // guards all below, and the fields of each handle
	// max bounds byKey: a working copy costs the token memory.
	max    int
	byKey  map[string]*list.Element
	recent *list.List // of *handle, most recently used first
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
	// gone: no longer cached; destroyed when users is 0.
	gone bool
}

func newHandles(max int) handles {
	return handles{max: max, byKey: make(map[string]*list.Element), recent: list.New()}
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
	c.recent.MoveToFront(at)
	h.users++
	return h
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
	c.byKey[h.key] = c.recent.PushFront(h)
	for c.recent.Len() > c.max {
		c.drop(c.recent.Back())
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
	h := c.recent.Remove(at).(*handle)
	delete(c.byKey, h.key)
	h.gone = true
	if h.users == 0 && !h.resident {
		c.doomed = append(c.doomed, h.object)
	}
}
