package iam

import (
	"context"
	"errors"
	"strings"
	"time"
)

// ManagedPolicy is a policy with a name of its own, to be attached to users,
// groups and roles. Its documents are its versions, of which one is in force. It
// is shared and must not be changed.
type ManagedPolicy struct {
	Version     int               `json:"v"`
	Name        string            `json:"name"`
	Path        string            `json:"path"` // "/" or "/a/b/"
	ID          string            `json:"id"`   // ANPA…
	Account     string            `json:"account"`
	Description string            `json:"description,omitempty"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"` // when a version was made, or made the default
	Default     string            `json:"default"` // id of the version in force: "v1"
	Newest      int               `json:"newest"`  // number of the last version made; none is used twice
	Tags        map[string]string `json:"tags,omitempty"`
}

// ARN is the policy's Amazon Resource Name.
func (p *ManagedPolicy) ARN() string { return entityARN(p.Account, kindPolicy, p.Path, p.Name) }

const kindPolicy = "policy"

// shippedAccount stands for the account in ARNs of shipped policies.
const shippedAccount = "aws"

// Shipped reports whether the policy comes with the appliance. Such a policy is
// not stored and cannot be changed.
func (p *ManagedPolicy) Shipped() bool { return p.Account == shippedAccount }

// versions is where the versions of managed policies stand: <policy id>/<version
// id>: PolicyVersion. A record there never changes, and its path is never used
// again.
const versions = prefix + "policy-version/"

// noPolicy says that a managed policy is not there, in AWS's words.
func noPolicy(arn string) *Error {
	return refuse(CodeNoSuchEntity, "Policy %s was not found.", arn)
}

// policyPath is the path and the name in a policy's ARN.
func policyPath(arn string) (path, name string) {
	_, rest, _ := strings.Cut(arn, ":"+kindPolicy)
	i := strings.LastIndexByte(rest, '/') + 1
	return rest[:i], rest[i:]
}

// policyName is the name in the ARN of a managed policy of this account or of a
// shipped one; InvalidInput when it is the ARN of anything else.
func (s *Service) policyName(arn string) (string, error) {
	for _, account := range []string{s.account, shippedAccount} {
		rest, ok := strings.CutPrefix(arn, entityARN(account, kindPolicy, "/", ""))
		if name := rest[strings.LastIndexByte(rest, '/')+1:]; ok && name != "" && !strings.Contains(arn, "//") {
			return name, nil
		}
	}
	return "", refuse(CodeInvalidInput, "ARN %s is not valid.", arn)
}

// Policy finds a managed policy by its ARN, a shipped one too; NoSuchEntity if
// there is none. With a transaction it reads there; with nil, from the cache.
func (s *Service) Policy(ctx context.Context, tx Tx, arn string) (*ManagedPolicy, error) {
	name, err := s.policyName(arn)
	if err != nil {
		return nil, err
	}
	if p, ok := shipped[arn]; ok {
		return &p.ManagedPolicy, nil
	}
	p, err := entity[ManagedPolicy](ctx, s, tx, kindPolicy, name)
	if isNoSuch(err) || err == nil && p.ARN() != arn {
		return nil, noPolicy(arn)
	}
	return p, err
}

// NewPolicy is what a managed policy is made of. Path "" means "/".
type NewPolicy struct {
	Name, Path, Description, Document string
	Tags                              []Tag
}

// CreatePolicy makes a managed policy with one version. Names are unique
// whatever their case and path.
func (s *Service) CreatePolicy(tx Tx, in NewPolicy) (*ManagedPolicy, error) {
	if err := checkName(kindPolicy, in.Name); err != nil {
		return nil, err
	}
	path, err := checkPath(in.Path)
	if err == nil && strings.Contains(path, "//") {
		err = refuse(CodeValidation, "The specified value for path is invalid. It must not hold //.")
	}
	if err != nil {
		return nil, err
	}
	if err := s.checkDocument(in.Document); err != nil {
		return nil, err
	}
	tags, err := s.policyTagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	where := entityPath(kindPolicy, in.Name)
	switch there, err := exists(tx, where); {
	case err != nil:
		return nil, err
	case there:
		return nil, refuse(CodeAlreadyExists, "A policy called %s already exists. Duplicate names are not allowed.", in.Name)
	}
	p := &ManagedPolicy{
		Version: 1, Name: in.Name, Path: path, ID: newID(prefixPolicy), Account: s.account,
		Description: in.Description, Created: s.now(), Tags: tags,
	}
	if _, err := p.addVersion(tx, in.Document, true, p.Created); err != nil {
		return nil, err
	}
	return p, put(tx, where, p)
}

// now is the present as records keep it.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Second) }

// DeletePolicy takes a managed policy away, with its last version. It refuses
// while anything uses it or it has other versions.
func (s *Service) DeletePolicy(tx Tx, arn string) error {
	p, err := s.ownPolicy(tx, arn)
	if err != nil {
		return err
	}
	if some(tx, holders+arn+"//") || some(tx, bounded+arn+"//") {
		return refuse(CodeDeleteConflict, "Cannot delete a policy attached to entities.")
	}
	all, err := p.versions(tx)
	switch {
	case err != nil:
		return err
	case len(all) > 1:
		return refuse(CodeDeleteConflict, "This policy has more than one version. Before you delete a policy, "+
			"you must delete the policy's versions. The default version is deleted with the policy.")
	}
	if err := tx.Delete(p.versionPath(p.Default)); err != nil {
		return err
	}
	return tx.Delete(entityPath(kindPolicy, p.Name))
}

// ErrShipped: the policy comes with the appliance and cannot be changed.
var ErrShipped = errors.New("policy is shipped with the appliance and cannot be changed")

// ownPolicy finds a policy in order to change it; ErrShipped if nobody can. The
// record is the caller's own.
func (s *Service) ownPolicy(tx Tx, arn string) (*ManagedPolicy, error) {
	p, err := s.Policy(context.Background(), tx, arn)
	if err == nil && p.Shipped() {
		return nil, ErrShipped
	}
	return p, err
}

// Used counts the entities that a policy is attached to, and those that it bounds,
// one by one: a policy that 100,000 users have takes some milliseconds.
func (p *ManagedPolicy) Used(tx Tx) (attachedTo, bounds int) {
	for range names(tx, holders+p.ARN()+"//") {
		attachedTo++
	}
	for range names(tx, bounded+p.ARN()+"//") {
		bounds++
	}
	return attachedTo, bounds
}

// savePolicy puts a changed record back.
func savePolicy(tx Tx, p *ManagedPolicy) error { return put(tx, entityPath(kindPolicy, p.Name), p) }
