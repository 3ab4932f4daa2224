package iam

import (
	"context"
	"errors"
	"strings"
)

// ResolvePrincipal gives what stands for a principal in a stored key or trust
// policy: the unique id of a user or role of this account, by its exact ARN or
// the id itself, and principal as it is for those of other accounts, sessions,
// federated users and whole accounts. It refuses with ErrNoPrincipal a user or
// role that does not exist, and what cannot be a principal, such as a group.
func (s *Service) ResolvePrincipal(tx Tx, principal string) (string, error) {
	if isUniqueID(principal) {
		_, err := s.PrincipalARN(tx, principal)
		return principal, err
	}
	arn := strings.SplitN(principal, ":", 6)
	if len(arn) != 6 || arn[0] != "arn" || arn[1] != "aws" || arn[3] != "" || !isAccount(arn[4]) {
		return "", ErrNoPrincipal
	}
	kind, name, _ := strings.Cut(arn[5], "/")
	switch {
	case arn[2] == "iam" && arn[5] == "root":
		return principal, nil
	case arn[2] == "sts" && name != "" && (kind == "assumed-role" || kind == "federated-user"):
		return principal, nil
	case arn[2] != "iam" || name == "" || kind != KindUser && kind != KindRole:
		return "", ErrNoPrincipal
	case arn[4] != s.account:
		return principal, nil
	}
	return exactly(tx, kind, name[strings.LastIndexByte(name, '/')+1:], principal)
}

// exactly finds a user or role by name and gives its unique id, if it has the ARN.
func exactly(tx Tx, kind, name, arn string) (id string, err error) {
	var has string
	if kind == KindUser {
		var u *User
		if u, err = inTx[User](tx, kind, name); err == nil {
			id, has = u.ID, u.ARN()
		}
	} else {
		var r *Role
		if r, err = inTx[Role](tx, kind, name); err == nil {
			id, has = r.ID, r.ARN()
		}
	}
	if isNoSuch(err) || err == nil && has != arn {
		return "", ErrNoPrincipal
	}
	return id, err
}

// PrincipalARN is the ARN that the user or role of a unique id has now, and
// principal as it is when that is an ARN already. ErrNoPrincipal when nobody has
// the id any more.
func (s *Service) PrincipalARN(tx Tx, principal string) (string, error) {
	if strings.HasPrefix(principal, "arn:") {
		return principal, nil
	}
	if !isUniqueID(principal) {
		return "", ErrNoPrincipal
	}
	var arn string
	var err error
	if strings.HasPrefix(principal, prefixUser) {
		var u *User
		if u, err = s.UserByID(context.Background(), tx, principal); err == nil {
			arn = u.ARN()
		}
	} else {
		var r *Role
		if r, err = s.RoleByID(context.Background(), tx, principal); err == nil {
			arn = r.ARN()
		}
	}
	if isNoSuch(err) {
		err = ErrNoPrincipal
	}
	return arn, err
}

// isUniqueID reports whether s has the form of a user's or role's unique id.
func isUniqueID(s string) bool {
	return len(s) >= 16 && len(s) <= 128 && !strings.ContainsFunc(s, notWord) &&
		(strings.HasPrefix(s, prefixUser) || strings.HasPrefix(s, prefixRole))
}

func isAccount(s string) bool {
	return len(s) == 12 && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

func isNoSuch(err error) bool {
	var refusal *Error
	return errors.As(err, &refusal) && refusal.Code == CodeNoSuchEntity
}
