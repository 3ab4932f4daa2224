package iam

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Details is one page of all that the account has, for GetAccountAuthorizationDetails.
type Details struct {
	Users    []UserDetails
	Groups   []GroupDetails
	Roles    []RoleDetails
	Policies []PolicyDetails
}

// Holdings are the policies of a user, group or role.
type Holdings struct {
	Inline   []InlinePolicy
	Attached []AttachedPolicy
}

// UserDetails is a user with its policies and the names of its groups.
type UserDetails struct {
	*User
	Holdings
	Groups []string
}

// GroupDetails is a group with its policies.
type GroupDetails struct {
	*Group
	Holdings
}

// RoleDetails is a role with its policies.
type RoleDetails struct {
	*Role
	Holdings
}

// PolicyDetails is a managed policy with its versions, the newest first.
type PolicyDetails struct {
	*ManagedPolicy
	Versions []PolicyVersion
}

// DetailsFilter says which kinds of things the details are to hold.
type DetailsFilter struct{ Users, Groups, Roles, Local, Shipped bool }

// AuthorizationDetails gives one page of everything: users, groups, roles,
// managed policies, each by name.
func (s *Service) AuthorizationDetails(tx Tx, f DetailsFilter, p Page) (d *Details, next string, err error) {
	d = new(Details)
	var parts []section
	if f.Users {
		parts = append(parts, detailed(users, func(u *User) error {
			return d.user(tx, u)
		}))
	}
	if f.Groups {
		parts = append(parts, detailed(groups, func(g *Group) error {
			own, err := Holder{KindGroup, g.Name}.holdings(tx)
			d.Groups = append(d.Groups, GroupDetails{g, own})
			return err
		}))
	}
	if f.Roles {
		parts = append(parts, detailed(roles, func(r *Role) error {
			own, err := Holder{KindRole, r.Name}.holdings(tx)
			d.Roles = append(d.Roles, RoleDetails{r, own})
			return err
		}))
	}
	parts = append(parts, policySections(PolicyFilter{NoLocal: !f.Local, NoShipped: !f.Shipped}, func(p *ManagedPolicy) (bool, error) {
		versions, err := p.versions(tx)
		d.Policies = append(d.Policies, PolicyDetails{p, versions})
		return true, err
	})...)
	next, err = walk(tx, p, parts)
	return d, next, err
}

// detailed is a part of the details that takes every record under a prefix.
func detailed[T any](prefix string, take func(*T) error) section {
	return section{prefix: prefix, keep: func(name string, value []byte) (bool, error) {
		record := new(T)
		if err := json.Unmarshal(value, record); err != nil {
			return false, fmt.Errorf("record %s%s: %w", prefix, name, err)
		}
		return true, take(record)
	}}
}

func (d *Details) user(tx Tx, u *User) error {
	own, err := Holder{KindUser, u.Name}.holdings(tx)
	if err != nil {
		return err
	}
	detail := UserDetails{User: u, Holdings: own}
	for group := range names(tx, memberships+strings.ToLower(u.Name)+"/") {
		g, err := inTx[Group](tx, KindGroup, group)
		if err != nil {
			return err
		}
		detail.Groups = append(detail.Groups, g.Name)
	}
	d.Users = append(d.Users, detail)
	return nil
}

// holdings reads the policies of an entity.
func (h Holder) holdings(tx Tx) (own Holdings, err error) {
	for path, value := range tx.Scan(h.inline(), "") {
		var p InlinePolicy
		if err := json.Unmarshal(value, &p); err != nil {
			return own, fmt.Errorf("record %s: %w", path, err)
		}
		own.Inline = append(own.Inline, p)
	}
	for arn := range names(tx, h.attached()) {
		_, name := policyPath(arn)
		own.Attached = append(own.Attached, AttachedPolicy{Name: name, ARN: arn})
	}
	return own, nil
}
