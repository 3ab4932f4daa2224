package iam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// A PolicyFilter says which managed policies a list is to hold. The zero one
// holds those of the account and the shipped ones.
type PolicyFilter struct {
	NoLocal, NoShipped bool
	PathPrefix         string
	Attached           bool // only what is attached to something
	Bounding           bool // only what is a boundary of something
}

func (f PolicyFilter) holds(tx Tx, p *ManagedPolicy) bool {
	return strings.HasPrefix(p.Path, f.PathPrefix) &&
		(!f.Attached || some(tx, holders+p.ARN()+"//")) &&
		(!f.Bounding || some(tx, bounded+p.ARN()+"//"))
}

// ListPolicies lists managed policies by name, those of the account first.
func (s *Service) ListPolicies(tx Tx, f PolicyFilter, pg Page) (list []*ManagedPolicy, next string, err error) {
	list = []*ManagedPolicy{}
	next, err = walk(tx, pg, policySections(f, func(p *ManagedPolicy) (bool, error) {
		ok := f.holds(tx, p)
		if ok {
			list = append(list, p)
		}
		return ok, nil
	}))
	return list, next, err
}

// policySections are the parts of a list of managed policies.
func policySections(f PolicyFilter, keep func(p *ManagedPolicy) (bool, error)) []section {
	var all []section
	if !f.NoLocal {
		all = append(all, section{prefix: policies, keep: func(name string, value []byte) (bool, error) {
			p := new(ManagedPolicy)
			if err := json.Unmarshal(value, p); err != nil {
				return false, fmt.Errorf("record %s%s: %w", policies, name, err)
			}
			return keep(p)
		}})
	}
	if !f.NoShipped {
		all = append(all, section{prefix: shippedPaths, scan: scanShipped, keep: func(arn string, _ []byte) (bool, error) {
			return keep(&shipped[arn].ManagedPolicy)
		}})
	}
	return all
}

// An EntityFilter says which users, groups and roles a list is to hold; the zero
// one all of them.
type EntityFilter struct {
	Kind       string // one kind only
	PathPrefix string
	NoAttached bool // leave out those that have the policy attached
	NoBounded  bool // leave out those that have it as their boundary
}

// Entity is what users, groups and roles have in common.
type Entity struct {
	Kind, Name, ID, Path, ARN string

	Tags     map[string]string // not of groups
	Boundary string            // ARN; not of groups
}

// EntitiesForPolicy lists who has a managed policy attached, then who has it as
// boundary, each by kind and name. Who has it as both comes once.
func (s *Service) EntitiesForPolicy(tx Tx, arn string, f EntityFilter, pg Page) (list []Entity, next string, err error) {
	if _, err := s.Policy(context.Background(), tx, arn); err != nil {
		return nil, "", err
	}
	list = []Entity{}
	part := func(index string, skip func(Holder) (bool, error)) section {
		return section{prefix: index + arn + "//", keep: func(use string, _ []byte) (bool, error) {
			h := kindAndName(use)
			if gone, err := skip(h); err != nil || gone || f.Kind != "" && f.Kind != h.Kind {
				return false, err
			}
			e, err := h.entity(tx)
			if err != nil || !strings.HasPrefix(e.Path, f.PathPrefix) {
				return false, err
			}
			list = append(list, e)
			return true, nil
		}}
	}
	var parts []section
	if !f.NoAttached {
		parts = append(parts, part(holders, func(Holder) (bool, error) { return false, nil }))
	}
	if !f.NoBounded {
		parts = append(parts, part(bounded, func(h Holder) (bool, error) {
			if f.NoAttached {
				return false, nil
			}
			return exists(tx, useOf(holders, arn, h.Kind, h.Name))
		}))
	}
	next, err = walk(tx, pg, parts)
	return list, next, err
}

// entity reads who the holder is.
func (h Holder) entity(tx Tx) (Entity, error) {
	switch h.Kind {
	case KindUser:
		u, err := inTx[User](tx, h.Kind, h.Name)
		if err != nil {
			return Entity{}, err
		}
		return Entity{h.Kind, u.Name, u.ID, u.Path, u.ARN(), u.Tags, u.Boundary}, nil
	case KindGroup:
		g, err := inTx[Group](tx, h.Kind, h.Name)
		if err != nil {
			return Entity{}, err
		}
		return Entity{h.Kind, g.Name, g.ID, g.Path, g.ARN(), nil, ""}, nil
	case KindRole:
		r, err := inTx[Role](tx, h.Kind, h.Name)
		if err != nil {
			return Entity{}, err
		}
		return Entity{h.Kind, r.Name, r.ID, r.Path, r.ARN(), r.Tags, r.Boundary}, nil
	}
	return Entity{}, errors.New("kind " + h.Kind + ": unknown")
}

// Entity finds a user, group or role of the account by its ARN. NoSuchEntity if
// there is none.
func (s *Service) Entity(tx Tx, arn string) (Entity, error) {
	for _, kind := range []string{KindUser, KindGroup, KindRole} {
		rest, ok := strings.CutPrefix(arn, entityARN(s.account, kind, "/", ""))
		if !ok {
			continue
		}
		e, err := Holder{kind, rest[strings.LastIndexByte(rest, '/')+1:]}.entity(tx)
		if err == nil && e.ARN != arn {
			err = noSuch(kind, rest)
		}
		return e, err
	}
	return Entity{}, refuse(CodeNoSuchEntity, "ARN %s is not found.", arn)
}
