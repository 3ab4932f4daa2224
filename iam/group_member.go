package iam

import "strings"

// Membership stands twice, by group and by user, so that each side lists the
// other without a scan. Both entries come and go in one transaction.

// AddUser makes a user a member of a group; twice is no error.
func (s *Service) AddUser(tx Tx, group, user string) error {
	g, u, err := pair(tx, group, user)
	if err != nil {
		return err
	}
	if err := tx.Put(members+g+"/"+u, nil); err != nil {
		return err
	}
	return tx.Put(memberships+u+"/"+g, nil)
}

// RemoveUser ends a membership; if there is none, that is no error.
func (s *Service) RemoveUser(tx Tx, group, user string) error {
	g, u, err := pair(tx, group, user)
	if err != nil {
		return err
	}
	if err := tx.Delete(members + g + "/" + u); err != nil {
		return err
	}
	return tx.Delete(memberships + u + "/" + g)
}

// pair gives both names in lower case, NoSuchEntity for the user first.
func pair(tx Tx, group, user string) (g, u string, err error) {
	if _, err := inTx[User](tx, KindUser, user); err != nil {
		return "", "", err
	}
	if _, err := inTx[Group](tx, KindGroup, group); err != nil {
		return "", "", err
	}
	return strings.ToLower(group), strings.ToLower(user), nil
}

// Members gives one page of the users in a group.
func (s *Service) Members(tx Tx, group string, p Page) ([]*User, string, error) {
	if _, err := inTx[Group](tx, KindGroup, group); err != nil {
		return nil, "", err
	}
	return list(tx, members+strings.ToLower(group)+"/", p, named[User](tx, KindUser))
}

// GroupsOf gives one page of the groups that a user is in.
func (s *Service) GroupsOf(tx Tx, user string, p Page) ([]*Group, string, error) {
	if _, err := inTx[User](tx, KindUser, user); err != nil {
		return nil, "", err
	}
	return list(tx, memberships+strings.ToLower(user)+"/", p, named[Group](tx, KindGroup))
}

// named reads the entity that an entry of an index names.
func named[T any](tx Tx, kind string) func(string, []byte) (*T, bool, error) {
	return func(name string, _ []byte) (*T, bool, error) {
		record, err := inTx[T](tx, kind, name)
		return record, true, err
	}
}
