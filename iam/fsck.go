package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/keyd-hsm/keyd/policy"
	"github.com/keyd-hsm/keyd/store"
)

// Fsck checks the service's records and returns what is wrong, a line each: every
// record is whole, and every index agrees with what it points at, both ways.
func Fsck(tx Tx) []string {
	f := &fsck{tx: tx}
	f.rootKey()
	f.keys()
	f.users()
	f.groups()
	f.roles()
	f.ids()
	f.reverse(members, memberships)
	f.reverse(memberships, members)
	f.policies()
	f.managedPolicies()
	f.inlinePolicies()
	f.accesses()
	f.providers()
	f.mfa()
	f.leftovers()
	return f.problems
}

// fsck is one run over one snapshot.
type fsck struct {
	tx       Tx
	problems []string
}

func (f *fsck) add(format string, args ...any) {
	f.problems = append(f.problems, fmt.Sprintf(format, args...))
}

// wants says that what stands at path needs a record at another path.
func (f *fsck) wants(path, needed string) {
	switch there, err := exists(f.tx, needed); {
	case err != nil:
		f.add("record %s: %v", needed, err)
	case !there:
		f.add("record %s: wants record %s, which is missing", path, needed)
	}
}

// each decodes the records under a prefix; check reports whether one is whole.
func each[T any](f *fsck, prefix string, check func(path string, record *T) bool) {
	for path, value := range f.tx.Scan(prefix, "") {
		record := new(T)
		if err := json.Unmarshal(value, record); err != nil || !check(path, record) {
			f.add("record %s: damaged", path)
		}
	}
}

// rootKey allows that the root user has no access key, once others can do without.
func (f *fsck) rootKey() {
	id, err := f.tx.Get(rootAccessKey)
	switch {
	case err == nil:
		f.wants(rootAccessKey, accessKeys+string(id))
	case !errors.Is(err, store.ErrNotFound):
		f.add("root user's access key: %v", err)
	case !some(f.tx, accessKeys):
		f.add("root user's access key: %v, nor has anybody else one", err)
	}
}

func (f *fsck) keys() {
	each(f, accessKeys, func(path string, k *AccessKey) bool {
		under := rootKeys
		if isUniqueID(k.Owner) {
			place, err := f.tx.Get(uniqueIDs + k.Owner)
			if err != nil {
				f.add("record %s: owner %s: %v", path, k.Owner, err)
				return true
			}
			under = strings.TrimPrefix(string(place), users)
		}
		first, _ := f.tx.Get(rootAccessKey) // its absence is told elsewhere
		if under != rootKeys || string(first) != k.ID {
			f.wants(path, userKeys+under+"/"+k.ID)
		}
		return accessKeys+k.ID == path && k.Owner != "" && len(k.Sealed) > 0
	})
	for entry := range names(f.tx, userKeys) {
		under, id, _ := strings.Cut(entry, "/")
		f.wants(userKeys+entry, accessKeys+id)
		if under != rootKeys {
			f.wants(userKeys+entry, users+under)
		}
	}
}

func (f *fsck) users() {
	each(f, users, func(path string, u *User) bool {
		f.id(path, u.ID)
		f.boundary(path, KindUser, u.Name, u.Boundary)
		return entityPath(KindUser, u.Name) == path && u.Path != "" && strings.HasPrefix(u.ID, prefixUser)
	})
}

func (f *fsck) groups() {
	each(f, groups, func(path string, g *Group) bool {
		f.id(path, g.ID)
		return entityPath(KindGroup, g.Name) == path && g.Path != "" && strings.HasPrefix(g.ID, prefixGroup)
	})
}

func (f *fsck) roles() {
	each(f, roles, func(path string, r *Role) bool {
		f.id(path, r.ID)
		f.boundary(path, KindRole, r.Name, r.Boundary)
		for _, trust := range []string{r.Trust, r.TrustBound} {
			if _, err := policy.Load(r.Name, []byte(trust), policy.Trust); err != nil {
				f.add("record %s: trust policy: %v", path, err)
			}
		}
		return entityPath(KindRole, r.Name) == path && r.Path != "" && strings.HasPrefix(r.ID, prefixRole)
	})
}

func (f *fsck) id(path, id string) {
	place, err := f.tx.Get(uniqueIDs + id)
	if err != nil || string(place) != path {
		f.add("record %s: unique id %s leads to %q", path, id, place)
	}
}

func (f *fsck) boundary(path, kind, name, arn string) {
	if arn != "" {
		f.wants(path, useOf(bounded, arn, kind, name))
	}
}

func (f *fsck) ids() {
	for path, place := range f.tx.Scan(uniqueIDs, "") {
		e, err := load[struct{ ID string }](f.tx, string(place))
		if err != nil || uniqueIDs+e.ID != path {
			f.add("record %s: leads to %q, which is missing or another", path, place)
		}
	}
}

// reverse checks that each entry of one index of memberships is in the other, and
// that both ends are there.
func (f *fsck) reverse(index, other string) {
	for entry := range names(f.tx, index) {
		a, b, _ := strings.Cut(entry, "/")
		f.wants(index+entry, other+b+"/"+a)
		if index == members {
			f.wants(index+entry, groups+a)
			f.wants(index+entry, users+b)
		}
	}
}

// policies checks what belongs to entities: that these are there, that uses of
// policies are known from both sides, and that the policies are there.
func (f *fsck) policies() {
	for entry := range names(f.tx, inline) {
		kind, rest, _ := strings.Cut(entry, "/")
		name, _, _ := strings.Cut(rest, "/")
		f.wants(inline+entry, entityPath(kind, name))
	}
	for entry := range names(f.tx, attached) {
		kind, rest, _ := strings.Cut(entry, "/")
		name, arn, _ := strings.Cut(rest, "/")
		f.wants(attached+entry, entityPath(kind, name))
		f.wants(attached+entry, useOf(holders, arn, kind, name))
		f.managed(attached+entry, arn)
	}
	for entry := range names(f.tx, holders) {
		arn, kind, name := cutUse(entry)
		f.wants(holders+entry, attached+kind+"/"+name+"/"+arn)
	}
	for entry := range names(f.tx, bounded) {
		arn, kind, name := cutUse(entry)
		e, err := load[struct{ Boundary string }](f.tx, entityPath(kind, name))
		if err != nil || e.Boundary != arn {
			f.add("record %s%s: the %s has not got this boundary", bounded, entry, kind)
		}
		f.managed(bounded+entry, arn)
	}
}

// cutUse takes an entry of the index of uses of policies apart.
func cutUse(entry string) (arn, kind, name string) {
	arn, holder, _ := strings.Cut(entry, "//")
	kind, name, _ = strings.Cut(holder, "/")
	return arn, kind, name
}

func (f *fsck) managed(path, arn string) {
	if _, ok := shipped[arn]; !ok {
		_, name := policyPath(arn)
		f.wants(path, entityPath(kindPolicy, name))
	}
}

func (f *fsck) providers() {
	each(f, providers, func(path string, o *OIDCProvider) bool { return providers+o.URL == path })
}

// leftovers finds what should have gone with the entity it is about.
func (f *fsck) leftovers() {
	for id := range names(f.tx, revoked) {
		if !isAccount(id) {
			f.wants(revoked+id, uniqueIDs+id)
		}
	}
	for id := range names(f.tx, lastUses) {
		if isUniqueID(id) {
			f.wants(lastUses+id, uniqueIDs+id)
		} else {
			f.wants(lastUses+id, accessKeys+id)
		}
	}
}
