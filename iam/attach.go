package iam

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// Attachment is the record that a managed policy belongs to an entity.
type Attachment struct {
	Version int       `json:"v"`
	ARN     string    `json:"arn"`
	Since   time.Time `json:"since"`
}

// A Holder is a user, group or role, as policies are attached to it. The entity
// must exist.
type Holder struct {
	Kind string // KindUser, KindGroup or KindRole
	Name string // in any case
}

func (h Holder) attached() string { return attached + h.Kind + "/" + strings.ToLower(h.Name) + "/" }
func (h Holder) inline() string   { return inline + h.Kind + "/" + strings.ToLower(h.Name) + "/" }

// title is the kind as AWS's messages about quotas have it.
func (h Holder) title() string { return strings.ToUpper(h.Kind[:1]) + h.Kind[1:] }

// AttachPolicy gives a managed policy to an entity; twice is once.
func (s *Service) AttachPolicy(tx Tx, h Holder, arn string) error {
	p, err := s.attachable(tx, arn)
	if err != nil {
		return err
	}
	path := h.attached() + p.ARN()
	if there, err := exists(tx, path); err != nil || there {
		return err
	}
	n := 0
	for range names(tx, h.attached()) {
		n++
	}
	if n >= s.limits.AttachedPolicies {
		return refuse(CodeLimitExceeded, "Cannot exceed quota for PoliciesPer%s: %d", h.title(), s.limits.AttachedPolicies)
	}
	if err := put(tx, path, Attachment{Version: 1, ARN: p.ARN(), Since: s.now()}); err != nil {
		return err
	}
	return tx.Put(useOf(holders, p.ARN(), h.Kind, h.Name), nil)
}

// attachable finds a policy in order to attach it.
func (s *Service) attachable(tx Tx, arn string) (*ManagedPolicy, error) {
	p, err := s.Policy(context.Background(), tx, arn)
	if isNoSuch(err) {
		return nil, refuse(CodeNoSuchEntity, "Policy %s does not exist or is not attachable.", arn)
	}
	return p, err
}

// DetachPolicy takes a managed policy from an entity; NoSuchEntity if it has not got it.
func (s *Service) DetachPolicy(tx Tx, h Holder, arn string) error {
	if _, err := s.policyName(arn); err != nil {
		return err
	}
	there, err := exists(tx, h.attached()+arn)
	if err != nil {
		return err
	}
	if !there {
		return noPolicy(arn)
	}
	if err := tx.Delete(h.attached() + arn); err != nil {
		return err
	}
	return tx.Delete(useOf(holders, arn, h.Kind, h.Name))
}

// AttachedPolicy names a managed policy.
type AttachedPolicy struct{ Name, ARN string }

// Attached lists the managed policies of an entity whose path begins with
// pathPrefix ("" for all), by name.
func (s *Service) Attached(tx Tx, h Holder, pathPrefix string, p Page) ([]AttachedPolicy, string, error) {
	all := []AttachedPolicy{}
	for arn := range names(tx, h.attached()) {
		path, name := policyPath(arn)
		if strings.HasPrefix(path, pathPrefix) {
			all = append(all, AttachedPolicy{Name: name, ARN: arn})
		}
	}
	slices.SortFunc(all, func(a, b AttachedPolicy) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ARN, b.ARN))
	})
	return pageOf(all, h.attached(), p, func(a AttachedPolicy) string { return a.Name + "\x00" + a.ARN })
}
