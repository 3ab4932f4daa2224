package iam

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

// User is an IAM user as it stood at one moment. It is shared and must not be
// changed, as Group and Role are.
type User struct {
	Version  int               `json:"v"`
	Name     string            `json:"name"`
	Path     string            `json:"path"` // "/" or "/a/b/"
	ID       string            `json:"id"`   // AIDA…
	Account  string            `json:"account"`
	Created  time.Time         `json:"created"`
	Tags     map[string]string `json:"tags,omitempty"`
	Boundary string            `json:"boundary,omitempty"` // ARN of the permissions boundary
}

// ARN is the user's Amazon Resource Name.
func (u *User) ARN() string { return entityARN(u.Account, KindUser, u.Path, u.Name) }

// Group is an IAM group.
type Group struct {
	Version int       `json:"v"`
	Name    string    `json:"name"`
	Path    string    `json:"path"`
	ID      string    `json:"id"` // AGPA…
	Account string    `json:"account"`
	Created time.Time `json:"created"`
}

// ARN is the group's Amazon Resource Name.
func (g *Group) ARN() string { return entityARN(g.Account, KindGroup, g.Path, g.Name) }

// Role is an IAM role.
type Role struct {
	Version     int               `json:"v"`
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	ID          string            `json:"id"` // AROA…
	Account     string            `json:"account"`
	Created     time.Time         `json:"created"`
	Description string            `json:"description,omitempty"`
	MaxSession  int               `json:"max_session"` // seconds, 3,600 to 43,200
	Tags        map[string]string `json:"tags,omitempty"`
	Boundary    string            `json:"boundary,omitempty"`
	// Trust is the trust policy with principals as they were given; TrustBound
	// has users and roles in it by unique id, as they are evaluated (rule 2.4).
	Trust      string `json:"trust"`
	TrustBound string `json:"trust_bound"`
}

// ARN is the role's Amazon Resource Name.
func (r *Role) ARN() string { return entityARN(r.Account, KindRole, r.Path, r.Name) }

func entityARN(account, kind, path, name string) string {
	return "arn:aws:iam::" + account + ":" + kind + path + name
}

// Prefixes of unique ids, AWS's.
const (
	prefixUser   = "AIDA"
	prefixGroup  = "AGPA"
	prefixRole   = "AROA"
	prefixPolicy = "ANPA"
)

// newID makes a unique id: AWS's prefix and 17 characters, 85 random bits.
func newID(prefix string) string {
	b := make([]byte, 11)
	_, _ = rand.Read(b) // never fails: see crypto/rand
	return prefix + base32.StdEncoding.EncodeToString(b)[:17]
}

// noSuch says that an entity is not there, in AWS's words; kind is "user",
// "group" or "role".
func noSuch(kind, name string) *Error {
	return refuse(CodeNoSuchEntity, "The %s with name %s cannot be found.", kind, name)
}

// User finds a user by name, whatever its case; NoSuchEntity if there is none.
// With a transaction it reads there; with nil, from the cache.
func (s *Service) User(ctx context.Context, tx Tx, name string) (*User, error) {
	return entity[User](ctx, s, tx, KindUser, name)
}

// Group finds a group by name, as User does.
func (s *Service) Group(ctx context.Context, tx Tx, name string) (*Group, error) {
	return entity[Group](ctx, s, tx, KindGroup, name)
}

// Role finds a role by name, as User does.
func (s *Service) Role(ctx context.Context, tx Tx, name string) (*Role, error) {
	return entity[Role](ctx, s, tx, KindRole, name)
}

func entityPath(kind, name string) string { return prefix + kind + "/" + strings.ToLower(name) }

func entity[T any](ctx context.Context, s *Service, tx Tx, kind, name string) (*T, error) {
	if name == "" || strings.Contains(name, "/") {
		return nil, noSuch(kind, name)
	}
	path := entityPath(kind, name)
	read := func(tx Tx) (*T, error) { return load[T](tx, path) }
	var (
		found *T
		err   error
	)
	if tx != nil {
		found, err = read(tx)
	} else {
		found, err = store.Cached(ctx, s.cache, path, read)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, noSuch(kind, name)
	}
	return found, err
}
