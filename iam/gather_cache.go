package iam

import (
	"sync"

	"github.com/keyd-hsm/keyd/policy"
)

// Bounds of what is kept compiled: the text of documents and what goes with it,
// in bytes, of which the compiled form takes some times as much; and the number
// of versions of managed policies.
const (
	maxGathered = 64 << 20
	maxCompiled = 2048
)

// A compiledKey is one version of a managed policy, compiled as one kind of policy.
type compiledKey struct {
	policy, version string
	kind            policy.Kind
}

// A gatherCache keeps what was gathered until something changes.
type gatherCache struct {
	mu       sync.RWMutex // guards all below
	changes  uint64       // commits seen
	byOwner  map[string]*Gathered
	weight   int // of byOwner
	managed  map[managedKey]*policy.Policy
	versions map[compiledKey]*policy.Policy // these never become wrong
}

func newGatherCache() *gatherCache {
	return &gatherCache{
		byOwner:  make(map[string]*Gathered),
		managed:  make(map[managedKey]*policy.Policy),
		versions: make(map[compiledKey]*policy.Policy),
	}
}

// find returns what is known of an owner, or nil, and the moment of the look.
func (c *gatherCache) find(owner string) (g *Gathered, since uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byOwner[owner], c.changes
}

// add keeps what was read after since, unless something has changed meanwhile.
func (c *gatherCache) add(owner string, g *Gathered, since uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes != since || c.byOwner[owner] != nil {
		return
	}
	c.byOwner[owner] = g
	c.weight += g.weight
	for victim, old := range c.byOwner { // any ones: map order is random enough
		if c.weight <= maxGathered {
			break
		}
		c.weight -= old.weight
		delete(c.byOwner, victim)
	}
}

// forget is told of every commit under iam/.
func (c *gatherCache) forget([]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.weight = 0
	clear(c.byOwner)
	clear(c.managed)
}

func (c *gatherCache) version(k compiledKey) *policy.Policy {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.versions[k]
}

func (c *gatherCache) keep(k compiledKey, p *policy.Policy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for victim := range c.versions {
		if len(c.versions) < maxCompiled {
			break
		}
		delete(c.versions, victim)
	}
	c.versions[k] = p
}
