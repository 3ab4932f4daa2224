package server

import (
	"fmt"
	"slices"
)

// A LocalRule lets local users ask about users of the account, and answer for them.
type LocalRule struct {
	// UIDs are who; Everybody is every local user.
	UIDs      []uint32
	Everybody bool
	// Users are about whom, by name; AnyUser is every user, and Self the one who is
	// called as the local user is. Neither means the root user of the account, who
	// has to be named.
	Users         []string
	AnyUser, Self bool
	// May is what.
	May []Right
}

// A Right is something that a local user may be allowed.
type Right string

// The rights.
const (
	MayAsk         Right = "ask"
	MayAnswer      Right = "answer"
	MayCredentials Right = "credentials" // beside ask: to be given credentials of the user
)

// covers reports whether the rule is about a user, for a local user of that name.
func (r *LocalRule) covers(local, user string) bool {
	if slices.Contains(r.Users, user) {
		return true
	}
	return user != rootName && (r.AnyUser || r.Self && local != "" && local == user)
}

// rulesOf are those for a local user.
func (k *Socket) rulesOf(uid uint32) []LocalRule {
	var found []LocalRule
	for _, r := range k.Rules {
		if r.Everybody || slices.Contains(r.UIDs, uid) {
			found = append(found, r)
		}
	}
	return found
}

// may reports whether the caller has a right about a user.
func (c *localCall) may(right Right, user string) bool {
	return slices.ContainsFunc(c.rules, func(r LocalRule) bool {
		return slices.Contains(r.May, right) && r.covers(c.name, user)
	})
}

// need refuses a caller who lacks a right about a user. It says no more than the
// configuration does: not whether there is such a user.
func (c *localCall) need(right Right, user string) error {
	if c.may(right, user) {
		return nil
	}
	return notAllowed(fmt.Sprintf("no rule under mfa.local_users lets uid %d do %q about %s", c.peer.UID, right, printable(user)))
}
