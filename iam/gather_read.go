package iam

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/keyd-hsm/keyd/policy"
)

// A gathering reads the policies that apply to one user or role.
type gathering struct {
	s  *Service
	tx Tx
	*Gathered
}

// groups adds the policies of a user's groups.
func (g *gathering) groups(user string) error {
	for group := range names(g.tx, memberships+strings.ToLower(user)+"/") {
		e, err := Holder{KindGroup, group}.entity(g.tx)
		if err != nil {
			return err
		}
		if err := g.holder(Holder{KindGroup, e.Name}); err != nil {
			return err
		}
	}
	return nil
}

// holder adds the policies of one user, group or role: inline ones by name, then
// attached ones by ARN.
func (g *gathering) holder(h Holder) error {
	for path, value := range g.tx.Scan(h.inline(), "") {
		var r InlinePolicy
		if err := json.Unmarshal(value, &r); err != nil {
			return fmt.Errorf("record %s: %w", path, err)
		}
		p, err := policy.Load(h.inlineTitle(r.Name), []byte(r.Document), policy.Identity)
		if err != nil {
			return err
		}
		g.weight += len(r.Document)
		g.add(p, Source{Name: r.Name, Holder: h})
	}
	for arn := range names(g.tx, h.attached()) {
		p, err := g.managed(arn, policy.Identity)
		if err != nil {
			return err
		}
		_, name := policyPath(arn)
		g.add(p, Source{Name: name, ARN: arn, Holder: h})
	}
	return nil
}

// inlineTitle is the name of an inline policy in reasons, the way AWS's simulator
// has it: "user_bob_readers".
func (h Holder) inlineTitle(name string) string { return h.Kind + "_" + h.Name + "_" + name }

func (g *gathering) add(p *policy.Policy, from Source) {
	g.Identity = append(g.Identity, p)
	g.Sources = append(g.Sources, from)
	g.weight += 128
}

// managed compiles the version in force of a managed policy. A version never
// changes, so what was compiled once stays right whatever happens to the policy.
func (g *gathering) managed(arn string, kind policy.Kind) (*policy.Policy, error) {
	p, err := g.s.Policy(context.Background(), g.tx, arn)
	if err != nil {
		return nil, err
	}
	key := compiledKey{p.ID, p.Default, kind}
	if known := g.s.gathered.version(key); known != nil {
		return known, nil
	}
	v, err := p.version(g.tx, p.Default)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", arn, err)
	}
	compiled, err := policy.Load(arn, []byte(v.Document), kind)
	if err != nil {
		return nil, err
	}
	g.s.gathered.keep(key, compiled)
	return compiled, nil
}
