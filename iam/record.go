package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/keyd-hsm/keyd/store"
)

// Where records stand in the store. Names of users, groups, roles and policies
// are unique without regard to case, so paths hold them in lower case; they hold
// no slash, ARNs do and come last.
const (
	prefix = "iam/"

	users  = prefix + "user/"  // <name>: User
	groups = prefix + "group/" // <name>: Group
	roles  = prefix + "role/"  // <name>: Role

	members     = prefix + "member/"    // <group>/<user>: nothing
	memberships = prefix + "member-of/" // <user>/<group>: nothing

	policies = prefix + "policy/"      // <name>: ManagedPolicy
	inline   = prefix + "inline/"      // <kind>/<entity>/<policy>: InlinePolicy
	attached = prefix + "attached/"    // <kind>/<entity>/<policy ARN>: Attachment
	holders  = prefix + "attached-to/" // <policy ARN>//<kind>/<entity>: nothing
	bounded  = prefix + "bounds/"      // <policy ARN>//<kind>/<entity>: nothing

	uniqueIDs  = prefix + "id/"         // <unique id>: where the entity's record stands
	accessKeys = prefix + "access-key/" // <access key id>: AccessKey
	userKeys   = prefix + "user-key/"   // <user>/<access key id>: nothing
	providers  = prefix + "oidc/"       // <url>: OIDCProvider
	revoked    = prefix + "revoked/"    // <unique id>: Revocation

	accountAlias  = prefix + "account-alias"
	rootAccessKey = prefix + "root-access-key" // id of the one that init or dev made
)

// Kinds of entities that policies belong to, as they stand in paths.
const (
	KindUser  = "user"
	KindGroup = "group"
	KindRole  = "role"
)

func put(tx Tx, path string, record any) error {
	b, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return tx.Put(path, b)
}

// load reads the record at path; store.ErrNotFound when there is none.
func load[T any](tx Tx, path string) (*T, error) {
	b, err := tx.Get(path)
	if err != nil {
		return nil, err
	}
	record := new(T)
	if err := json.Unmarshal(b, record); err != nil {
		return nil, fmt.Errorf("record %s: %w", path, err)
	}
	return record, nil
}

// exists reports whether something stands at path.
func exists(tx Tx, path string) (bool, error) {
	_, err := tx.Get(path)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// names yields what stands behind prefix in the paths of its records.
func names(tx Tx, prefix string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for path := range tx.Scan(prefix, "") {
			if !yield(strings.TrimPrefix(path, prefix)) {
				return
			}
		}
	}
}

// some reports whether there is any record under prefix.
func some(tx Tx, prefix string) bool {
	for range tx.Scan(prefix, "") {
		return true
	}
	return false
}
