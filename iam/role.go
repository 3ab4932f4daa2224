package iam

import "strings"

// NewRole is what CreateRole is told. Path "" means "/", MaxSession 0 an hour.
type NewRole struct {
	Name, Path, Description string
	Trust                   string // the trust policy
	MaxSession              int    // seconds
	Tags                    []Tag
	Boundary                string
}

// Sessions of a role last at most this long, in seconds, where its
// MaxSessionDuration says nothing, and where it says the most.
const (
	defaultMaxSession = 3_600
	longestSession    = 43_200
)

// CreateRole makes a role that the trust policy lets others assume.
// MalformedPolicyDocument if that is none, or names who does not exist.
func (s *Service) CreateRole(tx Tx, in NewRole) (*Role, error) {
	if err := checkName(KindRole, in.Name); err != nil {
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
	r := &Role{
		Version: 1, Name: in.Name, Path: path, ID: newID(prefixRole), Account: s.account, Created: s.now(),
		Description: in.Description, MaxSession: defaultMaxSession, Tags: tags, Boundary: in.Boundary,
	}
	if err := r.setMaxSession(in.MaxSession); err != nil {
		return nil, err
	}
	if err := s.setTrust(tx, r, in.Trust); err != nil {
		return nil, err
	}
	if err := s.limited(tx, KindRole, r.Name, r.Boundary); err != nil {
		return nil, err
	}
	return r, enter(tx, KindRole, r.Name, r.ID, r)
}

func (r *Role) setMaxSession(seconds int) error {
	switch {
	case seconds == 0:
		return nil
	case seconds < defaultMaxSession || seconds > longestSession:
		return refuse(CodeValidation, "The MaxSessionDuration must be between %d and %d seconds.", defaultMaxSession, longestSession)
	}
	r.MaxSession = seconds
	return nil
}

// RoleUpdate says what UpdateRole changes: nil and 0 keep what is.
type RoleUpdate struct {
	Description *string
	MaxSession  int
}

// UpdateRole changes a role's description or the longest session it gives.
func (s *Service) UpdateRole(tx Tx, name string, to RoleUpdate) (*Role, error) {
	return s.changeRole(tx, name, func(r *Role) error {
		if to.Description != nil {
			r.Description = *to.Description
		}
		return r.setMaxSession(to.MaxSession)
	})
}

// UpdateTrust gives a role another trust policy.
func (s *Service) UpdateTrust(tx Tx, name, trust string) error {
	_, err := s.changeRole(tx, name, func(r *Role) error { return s.setTrust(tx, r, trust) })
	return err
}

// DeleteRole removes a role without policies; DeleteConflict otherwise. Sessions
// of the role are dead from then on.
func (s *Service) DeleteRole(tx Tx, name string) error {
	r, err := inTx[Role](tx, KindRole, name)
	if err != nil {
		return err
	}
	if err := holdsPolicies(tx, KindRole, strings.ToLower(r.Name)); err != nil {
		return err
	}
	if err := bound(tx, KindRole, r.Name, r.Boundary, ""); err != nil {
		return err
	}
	return leave(tx, KindRole, r.Name, r.ID)
}

// ListRoles gives one page of the roles whose path begins with pathPrefix.
func (s *Service) ListRoles(tx Tx, pathPrefix string, p Page) ([]*Role, string, error) {
	return list(tx, roles, p, below(pathPrefix, func(r *Role) string { return r.Path }))
}

// TagRole puts tags on a role, over those with the same keys in any case.
func (s *Service) TagRole(tx Tx, name string, tags []Tag) error {
	_, err := s.changeRole(tx, name, func(r *Role) (err error) {
		r.Tags, err = s.tagged(r.Tags, tags)
		return err
	})
	return err
}

// UntagRole takes tags off a role; keys that are not there are no error.
func (s *Service) UntagRole(tx Tx, name string, keys []string) error {
	_, err := s.changeRole(tx, name, func(r *Role) error {
		r.Tags = untagged(r.Tags, keys)
		return nil
	})
	return err
}

func (s *Service) changeRole(tx Tx, name string, change func(*Role) error) (*Role, error) {
	r, err := inTx[Role](tx, KindRole, name)
	if err != nil {
		return nil, err
	}
	if err := change(r); err != nil {
		return nil, err
	}
	return r, put(tx, entityPath(KindRole, r.Name), r)
}
