package iam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

// PolicyVersion is one document of a managed policy. It never changes.
type PolicyVersion struct {
	Version  int       `json:"v"`
	ID       string    `json:"id"` // "v1"
	Created  time.Time `json:"created"`
	Document string    `json:"document"`
}

func (p *ManagedPolicy) versionPath(id string) string { return versions + p.ID + "/" + id }

func noVersion(arn, id string) *Error {
	return refuse(CodeNoSuchEntity, "Policy %s version %s does not exist or is not attachable.", arn, id)
}

// addVersion puts a new version into the store and names it in p, which the
// caller saves.
func (p *ManagedPolicy) addVersion(tx Tx, document string, makeDefault bool, now time.Time) (*PolicyVersion, error) {
	p.Newest++
	p.Updated = now
	v := &PolicyVersion{Version: 1, ID: "v" + strconv.Itoa(p.Newest), Created: now, Document: document}
	if makeDefault {
		p.Default = v.ID
	}
	return v, put(tx, p.versionPath(v.ID), v)
}

// version reads one version; store.ErrNotFound when there is none.
func (p *ManagedPolicy) version(tx Tx, id string) (*PolicyVersion, error) {
	if s, ok := shipped[p.ARN()]; ok {
		if id != p.Default {
			return nil, fmt.Errorf("version %s: %w", id, store.ErrNotFound)
		}
		return s.current(), nil
	}
	return load[PolicyVersion](tx, p.versionPath(id))
}

// versions reads all versions, the newest first.
func (p *ManagedPolicy) versions(tx Tx) ([]PolicyVersion, error) {
	if s, ok := shipped[p.ARN()]; ok {
		return []PolicyVersion{*s.current()}, nil
	}
	var all []PolicyVersion
	for path, value := range tx.Scan(versions+p.ID+"/", "") {
		var v PolicyVersion
		if err := json.Unmarshal(value, &v); err != nil {
			return nil, fmt.Errorf("record %s: %w", path, err)
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b PolicyVersion) int { return b.number() - a.number() })
	return all, nil
}

func (v *PolicyVersion) number() int {
	n, _ := strconv.Atoi(v.ID[min(1, len(v.ID)):])
	return n
}

// PolicyVersion finds one version of a managed policy, with its document.
func (s *Service) PolicyVersion(tx Tx, arn, id string) (*ManagedPolicy, *PolicyVersion, error) {
	p, err := s.Policy(context.Background(), tx, arn)
	if isNoSuch(err) {
		return nil, nil, noVersion(arn, id)
	}
	if err != nil {
		return nil, nil, err
	}
	v, err := p.version(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, noVersion(arn, id)
	}
	return p, v, err
}

// PolicyVersions lists the versions of a managed policy, the newest first.
func (s *Service) PolicyVersions(tx Tx, arn string, pg Page) (p *ManagedPolicy, page []PolicyVersion, next string, err error) {
	if p, err = s.Policy(context.Background(), tx, arn); err != nil {
		return nil, nil, "", err
	}
	all, err := p.versions(tx)
	if err != nil {
		return nil, nil, "", err
	}
	newestFirst := func(v PolicyVersion) string { return fmt.Sprintf("%010d", 1<<31-v.number()) }
	page, next, err = pageOf(all, versions+p.ID, pg, newestFirst)
	return p, page, next, err
}

// CreatePolicyVersion adds a version to a managed policy and puts it in force if
// told to.
func (s *Service) CreatePolicyVersion(tx Tx, arn, document string, makeDefault bool) (*PolicyVersion, error) {
	p, err := s.ownPolicy(tx, arn)
	if err != nil {
		return nil, err
	}
	if err := s.checkDocument(document); err != nil {
		return nil, err
	}
	switch all, err := p.versions(tx); {
	case err != nil:
		return nil, err
	case len(all) >= s.limits.VersionsPerPolicy:
		return nil, refuse(CodeLimitExceeded, "A managed policy can have up to %d versions. Before you create "+
			"a new version, you must delete an existing version.", s.limits.VersionsPerPolicy)
	}
	v, err := p.addVersion(tx, document, makeDefault, s.now())
	if err != nil {
		return nil, err
	}
	return v, savePolicy(tx, p)
}

// DeletePolicyVersion takes a version away, but never the one in force.
func (s *Service) DeletePolicyVersion(tx Tx, arn, id string) error {
	p, v, err := s.ownVersion(tx, arn, id)
	if err != nil {
		return err
	}
	if v.ID == p.Default {
		return refuse(CodeDeleteConflict, "Cannot delete the default version of a policy.")
	}
	return tx.Delete(p.versionPath(v.ID))
}

// SetDefaultPolicyVersion puts a version in force.
func (s *Service) SetDefaultPolicyVersion(tx Tx, arn, id string) error {
	p, v, err := s.ownVersion(tx, arn, id)
	if err != nil {
		return err
	}
	p.Default, p.Updated = v.ID, s.now()
	return savePolicy(tx, p)
}

func (s *Service) ownVersion(tx Tx, arn, id string) (*ManagedPolicy, *PolicyVersion, error) {
	p, v, err := s.PolicyVersion(tx, arn, id)
	if err == nil && p.Shipped() {
		return nil, nil, ErrShipped
	}
	return p, v, err
}
