package iam

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/policy"
)

// A serviceName is how reports name a service that is here.
type serviceName struct{ namespace, name string }

var serviceNames = []serviceName{
	{"cloudtrail", "AWS CloudTrail"},
	{"iam", "AWS Identity and Access Management"},
	{"keyd", "keyd MFA"},
	{"kms", "AWS Key Management Service"},
	{"sts", "AWS Security Token Service"},
}

// ServiceAccess is what a report says of one service: who of those that it is
// about used it last, and how many of them ever did.
type ServiceAccess struct {
	Namespace, Name string
	Last            time.Time // zero: never
	LastEntity      string    // ARN
	Entities        int
}

// EntityAccess is when a user or role used a service last; zero for never.
type EntityAccess struct {
	Entity
	Last time.Time
}

// ServicesAccessed lists the services that a user, group, role or managed policy
// lets somebody use, and when they were used last: by the user or role, by the
// members of the group, by all who have the policy.
func (s *Service) ServicesAccessed(tx Tx, arn string, p Page) ([]ServiceAccess, string, error) {
	allows, err := s.allows(tx, arn)
	if err != nil {
		return nil, "", err
	}
	who, err := s.concerned(tx, arn)
	if err != nil {
		return nil, "", err
	}
	out := []ServiceAccess{}
	for _, n := range serviceNames {
		if !allows(n.namespace) {
			continue
		}
		a := ServiceAccess{Namespace: n.namespace, Name: n.name}
		for _, e := range who {
			at, err := s.lastAccess(tx, e, n.namespace)
			if err != nil {
				return nil, "", err
			}
			if at.IsZero() {
				continue
			}
			a.Entities++
			if at.After(a.Last) {
				a.Last, a.LastEntity = at, e.ARN
			}
		}
		out = append(out, a)
	}
	return pageOf(out, "services/"+arn, p, func(a ServiceAccess) string { return a.Namespace })
}

// EntitiesAccessed lists the users and roles that a report is about, by name,
// with their last use of one service.
func (s *Service) EntitiesAccessed(tx Tx, arn, service string, p Page) ([]EntityAccess, string, error) {
	who, err := s.concerned(tx, arn)
	if err != nil {
		return nil, "", err
	}
	page, next, err := pageOf(who, "entities/"+arn, p, func(e Entity) string { return e.Name + "\x00" + e.ARN })
	if err != nil {
		return nil, "", err
	}
	out := make([]EntityAccess, 0, len(page))
	for _, e := range page {
		at, err := s.lastAccess(tx, e, strings.ToLower(service))
		if err != nil {
			return nil, "", err
		}
		out = append(out, EntityAccess{e, at})
	}
	return out, next, nil
}

// allows says by the policies of an entity, or by one policy, whether a service
// may be used.
func (s *Service) allows(tx Tx, arn string) (func(service string) bool, error) {
	var own *Gathered
	if _, err := s.policyName(arn); err == nil {
		g := &gathering{s: s, tx: tx, Gathered: new(Gathered)}
		p, err := g.managed(arn, policy.Identity)
		if err != nil {
			return nil, err
		}
		g.add(p, Source{ARN: arn})
		own = g.Gathered
	} else if own, err = s.granting(tx, arn); err != nil {
		return nil, err
	}
	return func(service string) bool {
		for _, p := range own.Identity {
			if grants(p, service) {
				return true
			}
		}
		return false
	}, nil
}

// concerned are the users and roles that a report on arn is about, sorted by
// name: the user or role itself, the members of a group, or who has a policy.
func (s *Service) concerned(tx Tx, arn string) ([]Entity, error) {
	byARN := make(map[string]Entity)
	if _, err := s.policyName(arn); err != nil {
		e, err := s.Entity(tx, arn)
		if err != nil {
			return nil, err
		}
		if err := concern(tx, Holder{e.Kind, e.Name}, byARN); err != nil {
			return nil, err
		}
	} else {
		for use := range names(tx, holders+arn+"//") {
			if err := concern(tx, kindAndName(use), byARN); err != nil {
				return nil, err
			}
		}
	}
	out := make([]Entity, 0, len(byARN))
	for _, e := range byARN {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entity) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ARN, b.ARN)) })
	return out, nil
}

func concern(tx Tx, h Holder, byARN map[string]Entity) error {
	if h.Kind == KindGroup {
		for user := range names(tx, members+strings.ToLower(h.Name)+"/") {
			if err := concern(tx, Holder{KindUser, user}, byARN); err != nil {
				return err
			}
		}
		return nil
	}
	e, err := h.entity(tx)
	byARN[e.ARN] = e
	return err
}

// Granting lists where the policies of a user, group or role come from that
// allow an action of a service.
func (s *Service) Granting(tx Tx, arn, service string) ([]Source, error) {
	own, err := s.granting(tx, arn)
	if err != nil {
		return nil, err
	}
	out := []Source{}
	for i, p := range own.Identity {
		if grants(p, strings.ToLower(service)) {
			out = append(out, own.Sources[i])
		}
	}
	return out, nil
}
