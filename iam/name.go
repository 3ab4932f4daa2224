package iam

import (
	"context"
	"strings"
)

// ARN makes the Amazon Resource Name of something in the account: kind is "user",
// "policy" and so on, path begins and ends with a slash.
func (s *Service) ARN(kind, path, name string) string {
	return entityARN(s.account, kind, path, name)
}

// Limits of names and paths, in characters (section 13 of the rules).
const (
	maxName      = 64  // users, roles
	maxGroupName = 128 // groups, policies
	maxPath      = 512
)

// checkName refuses a new name that is no name; kind is "user", "group", "role"
// or "policy".
func checkName(kind, name string) error {
	limit := maxName
	if kind != KindUser && kind != KindRole {
		limit = maxGroupName
	}
	if name == "" || len(name) > limit || strings.ContainsFunc(name, notInName) {
		return refuse(CodeValidation, "The specified value for %sName is invalid. "+
			"It must contain only alphanumeric characters and/or the following: +=,.@_-", kind)
	}
	return nil
}

func notInName(r rune) bool { return notWord(r) && !strings.ContainsRune("+=,.@-", r) }

// CheckPath refuses what is no path and gives "/" for "", for things that other
// packages keep.
func CheckPath(path string) (string, error) { return checkPath(path) }

// checkPath refuses what is no path and gives "/" for "".
func checkPath(path string) (string, error) {
	if path == "" {
		return "/", nil
	}
	bad := func(r rune) bool { return r < '!' || r > 0x7F }
	if len(path) > maxPath || path[0] != '/' || path[len(path)-1] != '/' || strings.ContainsFunc(path, bad) {
		return "", refuse(CodeValidation, "The specified value for path is invalid. "+
			"It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return path, nil
}

// taken says that an entity is there already, in AWS's words.
func taken(kind, name string) *Error {
	return refuse(CodeAlreadyExists, "%s with name %s already exists.", strings.ToUpper(kind[:1])+kind[1:], name)
}

// inTx reads an entity in a transaction. The record is the caller's own.
func inTx[T any](tx Tx, kind, name string) (*T, error) {
	return entity[T](context.Background(), nil, tx, kind, name)
}

// enter puts a new entity into the store, and where its unique id leads.
func enter(tx Tx, kind, name, id string, record any) error {
	path := entityPath(kind, name)
	switch there, err := exists(tx, path); {
	case err != nil:
		return err
	case there:
		return taken(kind, name)
	}
	if err := put(tx, path, record); err != nil {
		return err
	}
	return tx.Put(uniqueIDs+id, []byte(path))
}

// leave takes an entity out of the store, with what is kept by its unique id.
func leave(tx Tx, kind, name, id string) error {
	for _, path := range []string{entityPath(kind, name), uniqueIDs + id, revoked + id, lastUses + id, accessed + id} {
		if err := tx.Delete(path); err != nil {
			return err
		}
	}
	return nil
}

// A Rename says what an entity is called from now on; "" keeps what is.
type Rename struct{ Name, Path string }

func (r Rename) check(kind string) error {
	if r.Path != "" {
		if _, err := checkPath(r.Path); err != nil {
			return err
		}
	}
	if r.Name != "" {
		return checkName(kind, r.Name)
	}
	return nil
}
