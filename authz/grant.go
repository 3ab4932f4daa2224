package authz

import (
	"context"
	"strings"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/policy"
)

// contextPrefix begins the fact that holds a pair of an encryption context.
const contextPrefix = "kms:EncryptionContext:"

// names are those by which a grant may mean a caller, as grants have them bound
// (rule 7.2). An empty one is none.
type names struct{ exact, parent, account string }

func (g *Gate) namesOf(p iam.Principal) names {
	n := names{exact: p.ARN, account: "arn:aws:iam::" + p.Account + ":root"}
	if p.Account != g.account {
		n.parent = p.Parent
		return n
	}
	switch p.Type {
	case iam.TypeUser, iam.TypeAssumedRole:
		n.exact, n.parent = p.ID, p.ParentID
	case iam.TypeFederatedUser:
		n.parent = p.ParentID
	}
	return n
}

// each visits the names from the closest on.
func (n names) each(visit func(name string, class policy.Class) (done bool)) {
	for _, m := range [...]struct {
		name  string
		class policy.Class
	}{{n.exact, policy.Exact}, {n.parent, policy.Parent}, {n.account, policy.Account}} {
		if m.name != "" && visit(m.name, m.class) {
			return
		}
	}
}

// class is how a principal of a grant names the caller.
func (n names) class(bound string) (found policy.Class) {
	n.each(func(name string, class policy.Class) bool {
		if name == bound {
			found = class
		}
		return name == bound
	})
	return found
}

// grantClass is how the closest grant that allows the check names the caller in
// its grantee; NoMatch if there is none. A grant only allows, and what policies
// deny stays denied (rule 7.3).
func (g *Gate) grantClass(ctx context.Context, p iam.Principal, c Check) (found policy.Class, err error) {
	if c.Retires != nil {
		return g.retirerClass(p, c.Retires), nil
	}
	if c.Key == nil || !c.Key.HasGrants() {
		return policy.NoMatch, nil
	}
	q := &kms.GrantQuestion{Action: c.Action, Context: encryptionContext(c.Facts), Child: c.Child}
	g.namesOf(p).each(func(name string, class policy.Class) bool {
		var granted bool
		if granted, err = g.keys.Granted(ctx, c.Key, name, q); granted {
			found = class
		}
		return granted || err != nil
	})
	return found, err
}

// retirerClass is by what right a caller may retire a grant (rule 7.7): as its
// retiring principal, as its grantee where it permits that, or as one of the
// account that made it, whose identity policies decide then.
func (g *Gate) retirerClass(p iam.Principal, grant *kms.Grant) policy.Class {
	n := g.namesOf(p)
	class := n.class(grant.Retiring)
	if grant.Permits(kms.GrantRetireGrant) {
		class = max(class, n.class(grant.Grantee))
	}
	if p.Account != grant.Issuer {
		return class
	}
	if p.IsRoot() {
		return policy.Exact
	}
	return max(class, policy.Account)
}

// encryptionContext is that of the request, from its facts.
func encryptionContext(facts []Fact) map[string]string {
	var m map[string]string
	for _, f := range facts {
		if key, ok := strings.CutPrefix(f.Key, contextPrefix); ok && len(f.Values) == 1 {
			if m == nil {
				m = make(map[string]string, len(facts))
			}
			m[key] = f.Values[0]
		}
	}
	return m
}
