package kms

import "github.com/keyd-hsm/keyd/policy"

// Limits are numbers that AWS fixes and an appliance may set otherwise. A zero
// one is AWS's.
type Limits struct {
	GrantsPerKey  int
	AliasesPerKey int
	TagsPerKey    int
	PolicyBytes   int // of a key policy; AWS's is the most there can be
}

// DefaultLimits are AWS's.
var DefaultLimits = Limits{GrantsPerKey: 50_000, AliasesPerKey: 50, TagsPerKey: 50, PolicyBytes: policy.MaxKeyBytes}

// or fills in what is not set.
func (l Limits) or(other Limits) Limits {
	for _, f := range []struct{ set, other *int }{
		{&l.GrantsPerKey, &other.GrantsPerKey}, {&l.AliasesPerKey, &other.AliasesPerKey}, {&l.TagsPerKey, &other.TagsPerKey},
		{&l.PolicyBytes, &other.PolicyBytes},
	} {
		if *f.set == 0 {
			*f.set = *f.other
		}
	}
	return l
}
