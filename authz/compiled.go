package authz

import (
	"sync"

	"github.com/keyd-hsm/keyd/policy"
)

// maxSessionPolicies bounds the session policies that are kept compiled. Sessions
// bring theirs with every call, as text of a few kilobytes.
const maxSessionPolicies = 1024

// compiled keeps session policies by their text, which never means anything else.
type compiled struct {
	mu       sync.RWMutex
	policies map[string]*policy.Policy
}

// session compiles a session policy, or finds it.
func (c *compiled) session(text string) (*policy.Policy, error) {
	c.mu.RLock()
	p := c.policies[text]
	c.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	p, err := policy.Load("session policy", []byte(text), policy.Session)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.policies == nil {
		c.policies = make(map[string]*policy.Policy)
	}
	for victim := range c.policies { // any one: map order is random enough
		if len(c.policies) < maxSessionPolicies {
			break
		}
		delete(c.policies, victim)
	}
	c.policies[text] = p
	return p, nil
}
