package iam

import (
	"slices"
	"strings"
)

// move takes everything that stands under an entity's name to another name: its
// own record, memberships, policies, boundary and access keys, and what points
// back at them. Records name no entity inside, so they go as they are. All of it
// is one transaction, and a name that differs only in case stays where it is.
func move(tx Tx, kind, id, from, to, boundary string) error {
	asked := to
	from, to = strings.ToLower(from), strings.ToLower(to)
	if from == to {
		return nil
	}
	switch there, err := exists(tx, entityPath(kind, to)); {
	case err != nil:
		return err
	case there:
		return taken(kind, asked)
	}
	m := mover{tx: tx}
	m.one(entityPath(kind, from), entityPath(kind, to))
	m.put(uniqueIDs+id, []byte(entityPath(kind, to)))
	m.all(inline+kind+"/"+from+"/", inline+kind+"/"+to+"/")
	for _, arn := range m.all(attached+kind+"/"+from+"/", attached+kind+"/"+to+"/") {
		m.one(holders+arn+"//"+kind+"/"+from, holders+arn+"//"+kind+"/"+to)
	}
	if boundary != "" {
		m.one(bounded+boundary+"//"+kind+"/"+from, bounded+boundary+"//"+kind+"/"+to)
	}
	switch kind {
	case KindUser:
		m.all(userKeys+from+"/", userKeys+to+"/")
		m.index(memberships, members, from, to)
	case KindGroup:
		m.index(members, memberships, from, to)
	}
	return m.err
}

// A mover moves records and stops at the first error, which it keeps.
type mover struct {
	tx  Tx
	err error
}

func (m *mover) put(path string, value []byte) {
	if m.err == nil {
		m.err = m.tx.Put(path, value)
	}
}

func (m *mover) one(from, to string) {
	if m.err != nil {
		return
	}
	value, err := m.tx.Get(from)
	if err != nil {
		m.err = err
		return
	}
	m.put(to, slices.Clone(value)) // value is gone when its record is
	if m.err == nil {
		m.err = m.tx.Delete(from)
	}
}

// all moves every record under a prefix and returns what stands behind it.
func (m *mover) all(from, to string) []string {
	if m.err != nil {
		return nil
	}
	rest := slices.Collect(names(m.tx, from))
	for _, name := range rest {
		m.one(from+name, to+name)
	}
	return rest
}

// index moves the entries of an index by name, and those of the reverse index.
func (m *mover) index(by, reverse, from, to string) {
	for _, other := range m.all(by+from+"/", by+to+"/") {
		m.one(reverse+other+"/"+from, reverse+other+"/"+to)
	}
}
