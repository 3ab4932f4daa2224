package policy

import "sync"

// maxCached bounds the policies that a Cache keeps, some kilobytes each.
const maxCached = 1024

// Cache keeps policies of one kind compiled, by their text, which never means
// anything else: sessions bring theirs with every call, and most keys have the
// same one. The zero Cache with a name and a kind is ready; it is safe for
// concurrent use.
type Cache struct {
	Name string // of the policies, in reasons
	Kind Kind

	mu       sync.RWMutex
	policies map[string]*Policy // guarded by mu
}

// Load is the function Load with the cache before it. An error is not kept.
func (c *Cache) Load(text string) (*Policy, error) {
	c.mu.RLock()
	p := c.policies[text]
	c.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	p, err := Load(c.Name, []byte(text), c.Kind)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.policies == nil {
		c.policies = make(map[string]*Policy)
	}
	for victim := range c.policies { // any one: map order is random enough
		if len(c.policies) < maxCached {
			break
		}
		delete(c.policies, victim)
	}
	c.policies[text] = p
	return p, nil
}
