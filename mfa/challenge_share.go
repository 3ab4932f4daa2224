package mfa

import (
	"iter"
	"strings"
)

// A share is of what challenges and waits count in: of one asker about one user;
// with about "" of all that the asker has; and with both "" of all that there is.
//
// Under PAM all questions are asked by one uid. If they counted only by who asks,
// then who tries to log in as one user would use up the questions about all others.
type share struct{ from, about string }

// Sizes of shares: what may be open, as much that has ended, and waits. The first
// is larger than what one person answers in the life of a challenge; the second
// leaves room for others where users are asked about that do not exist.
var limits = [...]struct{ open, waits int }{
	{maxOpen, maxWaits}, {maxOpenAsker, maxWaitsAsker}, {maxOpenAll, maxWaitsAll},
}

const (
	maxOpen, maxWaits           = 16, 16     // of one asker about one user
	maxOpenAsker, maxWaitsAsker = 512, 512   // of one asker
	maxOpenAll, maxWaitsAll     = 4096, 1024 // of all
)

// A holding is what there is in a share.
type holding struct {
	open, waits int
	ended       []*entry // oldest first
}

// sharesOf are those that a question counts in, in the order of limits. A user is
// the owner of its devices, however the name was written; one that does not exist
// is told apart by name, as IAM tells names apart: whatever the case. So it has the
// limits of one that does.
func sharesOf(q *Question) [len(limits)]share {
	about := "owner " + q.Owner
	if q.Owner == "" {
		about = "name " + strings.ToLower(q.User)
	}
	return [...]share{{q.From, about}, {q.From, ""}, {}}
}

// The methods here are called with Challenges.mu held.

// holdings are what there is in the shares of a question, each with its place in
// limits. Those that are empty then are dropped.
func (t *Challenges) holdings(q *Question) iter.Seq2[*holding, int] {
	return func(yield func(*holding, int) bool) {
		for i, s := range sharesOf(q) {
			h := t.shares[s]
			if h == nil {
				h = new(holding)
				t.shares[s] = h
			}
			more := yield(h, i)
			if h.open == 0 && h.waits == 0 && len(h.ended) == 0 {
				delete(t.shares, s)
			}
			if !more {
				return
			}
		}
	}
}

// full reports whether one more question of that kind is too many.
func (t *Challenges) full(q *Question) bool {
	for h, i := range t.holdings(q) {
		if h.open >= limits[i].open {
			return true
		}
	}
	return false
}

// crowded reports whether one more wait for such a question is too many.
func (t *Challenges) crowded(q *Question) bool {
	for h, i := range t.holdings(q) {
		if h.waits >= limits[i].waits {
			return true
		}
	}
	return false
}
