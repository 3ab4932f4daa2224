package iam

import (
	"context"
	"strings"
)

// checkBoundary refuses a permissions boundary that is no managed policy.
func (s *Service) checkBoundary(tx Tx, arn string) error {
	_, err := s.Policy(context.Background(), tx, arn)
	if isNoSuch(err) {
		return refuse(CodeNoSuchEntity, "Scope ARN: %s does not exist or is not attachable.", arn)
	}
	return err
}

// bound keeps the index of boundaries: the boundary of an entity changes from
// one ARN to another, either of which may be empty.
func bound(tx Tx, kind, name, from, to string) error {
	if from == to {
		return nil
	}
	if from != "" {
		if err := tx.Delete(useOf(bounded, from, kind, name)); err != nil {
			return err
		}
	}
	if to == "" {
		return nil
	}
	return tx.Put(useOf(bounded, to, kind, name), nil)
}

// useOf is where an index of the uses of policies holds one: index is holders or
// bounded.
func useOf(index, arn, kind, name string) string {
	return index + arn + "//" + kind + "/" + strings.ToLower(name)
}

// SetUserBoundary makes a managed policy the user's permissions boundary; with
// an empty arn it takes the boundary away, and NoSuchEntity says that there was none.
func (s *Service) SetUserBoundary(tx Tx, u *User, arn string) error {
	if err := s.rebound(tx, KindUser, u.Name, u.Boundary, arn); err != nil {
		return err
	}
	changed := *u
	changed.Boundary = arn
	return put(tx, entityPath(KindUser, u.Name), &changed)
}

// SetRoleBoundary is SetUserBoundary for a role.
func (s *Service) SetRoleBoundary(tx Tx, r *Role, arn string) error {
	if err := s.rebound(tx, KindRole, r.Name, r.Boundary, arn); err != nil {
		return err
	}
	changed := *r
	changed.Boundary = arn
	return put(tx, entityPath(KindRole, r.Name), &changed)
}

func (s *Service) rebound(tx Tx, kind, name, from, to string) error {
	switch {
	case to != "":
		if err := s.checkBoundary(tx, to); err != nil {
			return err
		}
	case from == "":
		return refuse(CodeNoSuchEntity, "The %s with name %s has no permissions boundary.", kind, name)
	}
	return bound(tx, kind, name, from, to)
}
