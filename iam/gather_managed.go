package iam

import (
	"context"
	"fmt"

	"github.com/keyd-hsm/keyd/policy"
)

// A managedKey is a managed policy, whichever version is in force, compiled as
// one kind of policy.
type managedKey struct {
	arn  string
	kind policy.Kind
}

// Managed is the version in force of a managed policy, compiled, as for a session
// that names it to be limited by it. Any error must deny (rule 1.4). It is kept
// as what PoliciesOf gathers is.
func (s *Service) Managed(ctx context.Context, arn string, kind policy.Kind) (*policy.Policy, error) {
	key := managedKey{arn, kind}
	known, since := s.gathered.findManaged(key)
	if known != nil {
		return known, nil
	}
	var p *policy.Policy
	err := s.db.View(ctx, func(tx Tx) (err error) {
		g := &gathering{s: s, tx: tx}
		p, err = g.managed(arn, kind)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", arn, unasked(err))
	}
	s.gathered.addManaged(key, p, since)
	return p, nil
}

func (c *gatherCache) findManaged(k managedKey) (p *policy.Policy, since uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.managed[k], c.changes
}

func (c *gatherCache) addManaged(k managedKey, p *policy.Policy, since uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes != since {
		return
	}
	for victim := range c.managed {
		if len(c.managed) < maxCompiled {
			break
		}
		delete(c.managed, victim)
	}
	c.managed[k] = p
}
