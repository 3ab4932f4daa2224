package iam

import (
	"encoding/json"
	"strings"
)

// NewUser is what CreateUser is told. Path "" means "/".
type NewUser struct {
	Name, Path string
	Tags       []Tag
	Boundary   string // ARN of the permissions boundary, or ""
}

// CreateUser makes a user, who may do nothing yet. EntityAlreadyExists if one has
// the name, in any case.
func (s *Service) CreateUser(tx Tx, in NewUser) (*User, error) {
	if err := checkName(KindUser, in.Name); err != nil {
		return nil, err
	}
	path, err := checkPath(in.Path)
	if err != nil {
		return nil, err
	}
	tags, err := s.tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	if err := s.limited(tx, KindUser, in.Name, in.Boundary); err != nil {
		return nil, err
	}
	u := &User{
		Version: 1, Name: in.Name, Path: path, ID: newID(prefixUser), Account: s.account,
		Created: s.now(), Tags: tags, Boundary: in.Boundary,
	}
	return u, enter(tx, KindUser, u.Name, u.ID, u)
}

// limited gives a new entity its permissions boundary, if it has one.
func (s *Service) limited(tx Tx, kind, name, boundary string) error {
	if boundary == "" {
		return nil
	}
	if err := s.checkBoundary(tx, boundary); err != nil {
		return err
	}
	return bound(tx, kind, name, "", boundary)
}

// UpdateUser gives a user another name or path. All that belongs to the user
// comes along, and the unique id stays.
func (s *Service) UpdateUser(tx Tx, name string, to Rename) error {
	u, err := inTx[User](tx, KindUser, name)
	if err != nil {
		return err
	}
	if err := to.check(KindUser); err != nil {
		return err
	}
	if to.Name != "" {
		if err := move(tx, KindUser, u.ID, u.Name, to.Name, u.Boundary); err != nil {
			return err
		}
		u.Name = to.Name
	}
	if to.Path != "" {
		u.Path = to.Path
	}
	return put(tx, entityPath(KindUser, u.Name), u)
}

// DeleteUser removes a user that nothing belongs to any more; DeleteConflict
// otherwise. Sessions and access keys of the user are dead from then on.
func (s *Service) DeleteUser(tx Tx, name string) error {
	u, err := inTx[User](tx, KindUser, name)
	if err != nil {
		return err
	}
	lower := strings.ToLower(u.Name)
	switch {
	case some(tx, memberships+lower+"/"):
		return refuse(CodeDeleteConflict, "Cannot delete entity, must remove users from group first.")
	case some(tx, userKeys+lower+"/"):
		return refuse(CodeDeleteConflict, "Cannot delete entity, must delete access keys first.")
	case some(tx, mfaOf+u.ID+"/"):
		return refuse(CodeDeleteConflict, "Cannot delete entity, must delete MFA device first.")
	}
	if err := holdsPolicies(tx, KindUser, lower); err != nil {
		return err
	}
	if err := bound(tx, KindUser, u.Name, u.Boundary, ""); err != nil {
		return err
	}
	return leave(tx, KindUser, u.Name, u.ID)
}

// holdsPolicies refuses to delete an entity that still has policies.
func holdsPolicies(tx Tx, kind, lower string) error {
	switch {
	case some(tx, attached+kind+"/"+lower+"/"):
		return refuse(CodeDeleteConflict, "Cannot delete entity, must detach all policies first.")
	case some(tx, inline+kind+"/"+lower+"/"):
		return refuse(CodeDeleteConflict, "Cannot delete entity, must delete policies first.")
	}
	return nil
}

// ListUsers gives one page of the users whose path begins with pathPrefix, by
// their names in lower case.
func (s *Service) ListUsers(tx Tx, pathPrefix string, p Page) ([]*User, string, error) {
	return list(tx, users, p, below(pathPrefix, func(u *User) string { return u.Path }))
}

// below reads entities and leaves out those whose path does not begin with prefix.
func below[T any](prefix string, path func(*T) string) func(string, []byte) (*T, bool, error) {
	return func(_ string, value []byte) (*T, bool, error) {
		record := new(T)
		if err := json.Unmarshal(value, record); err != nil {
			return nil, false, err
		}
		return record, strings.HasPrefix(path(record), prefix), nil
	}
}

// TagUser puts tags on a user, over those with the same keys in any case.
func (s *Service) TagUser(tx Tx, name string, tags []Tag) error {
	return s.changeUser(tx, name, func(u *User) (err error) {
		u.Tags, err = s.tagged(u.Tags, tags)
		return err
	})
}

// UntagUser takes tags off a user; keys that are not there are no error.
func (s *Service) UntagUser(tx Tx, name string, keys []string) error {
	return s.changeUser(tx, name, func(u *User) error {
		u.Tags = untagged(u.Tags, keys)
		return nil
	})
}

func (s *Service) changeUser(tx Tx, name string, change func(*User) error) error {
	u, err := inTx[User](tx, KindUser, name)
	if err != nil {
		return err
	}
	if err := change(u); err != nil {
		return err
	}
	return put(tx, entityPath(KindUser, u.Name), u)
}
