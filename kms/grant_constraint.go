package kms

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"unicode/utf8"
)

// Constraints limit a grant to some encryption contexts; where both are given,
// both must hold (rule 7.4). Keys and values count with their case.
type Constraints struct {
	// Equals is the very encryption context; nil: any.
	Equals map[string]string `json:"equals,omitzero"`
	// Subset is what the encryption context holds at least; nil: nothing.
	Subset map[string]string `json:"subset,omitzero"`
}

func (c Constraints) constrained() bool { return c.Equals != nil || len(c.Subset) > 0 }

func (c Constraints) check() error {
	for _, m := range []map[string]string{c.Equals, c.Subset} {
		if len(m) > maxGrantPairs {
			return refuse(CodeValidation, "A grant constraint holds at most %d pairs of an encryption context.", maxGrantPairs)
		}
		for k, v := range m {
			if k == "" || utf8.RuneCountInString(v) > maxGrantValue {
				return refuse(CodeValidation, "The key of a pair in a grant constraint is not empty, and its value has at most %d characters.", maxGrantValue)
			}
		}
	}
	return nil
}

// Allow reports whether an encryption context keeps to the constraints.
func (c Constraints) Allow(context map[string]string) bool {
	return (c.Equals == nil || maps.Equal(c.Equals, context)) && includes(context, c.Subset)
}

// Within reports whether the constraints are at least as strict as those of a
// parent, so that they allow nothing that it does not (rule 7.5).
func (c Constraints) Within(parent Constraints) bool {
	if parent.Equals != nil && (c.Equals == nil || !maps.Equal(c.Equals, parent.Equals)) {
		return false
	}
	return includes(c.Subset, parent.Subset) || c.Equals != nil && includes(c.Equals, parent.Subset)
}

// includes reports whether all pairs of part are in whole.
func includes(whole, part map[string]string) bool {
	for k, v := range part {
		if w, ok := whole[k]; !ok || w != v {
			return false
		}
	}
	return true
}

// Buckets of the gate's index: grants without constraints, those with an Equals,
// by all of it, and those with a Subset only, by one pair of it. Whatever context
// a request brings, the grants that may allow it are in a few buckets.
const openBucket = "o"

func equalsBucket(context map[string]string) string {
	return "e" + digest(appendContext(nil, context))
}

func pairBucket(key, value string) string {
	return "s" + digest(appendString(appendString(nil, key), value))
}

// buckets lists where the constraints may be kept, the best place first: by the
// pair with the longest value, which is likely to be the rarest.
func (c Constraints) buckets() []string {
	switch {
	case !c.constrained():
		return []string{openBucket}
	case c.Equals != nil:
		return []string{equalsBucket(c.Equals)}
	}
	keys := slices.SortedFunc(maps.Keys(c.Subset), func(a, b string) int {
		if n := len(c.Subset[b]) - len(c.Subset[a]); n != 0 {
			return n
		}
		if a < b {
			return -1
		}
		return 1
	})
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = pairBucket(k, c.Subset[k])
	}
	return list
}

// form names what grants of one bucket have in common.
func (c Constraints) form(operations opSet) string {
	b := appendContext(nil, c.Equals)
	if c.Equals == nil {
		b = append(b, 1) // an Equals without pairs is one
	}
	b = appendContext(b, c.Subset)
	return digest(append(b, byte(operations), byte(operations>>8), byte(operations>>16), byte(operations>>24)))
}

// digest is short enough for a path and long enough that nobody finds two texts of one.
func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
