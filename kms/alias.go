package kms

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

const (
	aliasPrefix     = "alias/"
	reservedAliases = "alias/aws/"
)

// Alias is a name for a key within a region.
type Alias struct {
	Version int       `json:"v"`
	Name    string    `json:"name"` // with its "alias/"
	Region  string    `json:"region"`
	Account string    `json:"account"`
	Target  string    `json:"target"` // key id
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// ARN is the alias's Amazon Resource Name.
func (a *Alias) ARN() string { return aliasARN(a.Region, a.Account, a.Name) }

func aliasPath(region, name string) string { return aliasRecords + region + "/" + name }

func aliasIndexPath(region, id, name string) string {
	return aliasIndex + region + "/" + id + "/" + name
}

// alias finds an alias by its name, from the transaction or, with nil, the cache.
func (s *Service) alias(ctx context.Context, tx Tx, region, name string) (*Alias, error) {
	if tx != nil {
		return s.loadAlias(tx, region, name)
	}
	return store.Cached(ctx, s.cache, aliasPath(region, name), func(tx Tx) (*Alias, error) {
		return s.loadAlias(tx, region, name)
	})
}

func (s *Service) loadAlias(tx Tx, region, name string) (*Alias, error) {
	a := new(Alias)
	err := get(tx, aliasPath(region, name), a)
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(CodeNotFound, "Alias %s is not found.", aliasARN(region, s.account, name))
	}
	return a, err
}

// AliasTarget finds the key that an alias points at.
func (s *Service) AliasTarget(ctx context.Context, tx Tx, region, name string) (*Key, error) {
	a, err := s.alias(ctx, tx, region, name)
	if err != nil {
		return nil, err
	}
	return s.KeyByID(ctx, tx, region, a.Target)
}

// AliasARN is the ARN of an alias of that name, there or not.
func (s *Service) AliasARN(region, name string) string { return aliasARN(region, s.account, name) }

// CheckAliasName refuses names that no alias may have.
func CheckAliasName(name string) error {
	switch {
	case !strings.HasPrefix(name, aliasPrefix):
		return refuse(CodeValidation, "Alias must start with the prefix \"alias/\". "+
			"Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html")
	case name == aliasPrefix:
		return refuse(CodeInvalidAliasName, "Alias name is empty after the prefix \"alias/\".")
	case strings.HasPrefix(name, reservedAliases):
		return &Error{Code: CodeNotAuthorized}
	}
	return nil
}

// CheckAliasTarget refuses an alias where a key id or key ARN is wanted.
func CheckAliasTarget(text string) error {
	if AliasNamed(text) != "" {
		return refuse(CodeValidation, "Aliases must refer to keys. Not aliases")
	}
	return nil
}

// CreateAlias gives a key another name.
func (s *Service) CreateAlias(tx Tx, name string, k *Key) error {
	if err := k.Kept(); err != nil {
		return err
	}
	_, err := s.loadAlias(tx, k.Region, name)
	if err == nil {
		return refuse(CodeAlreadyExists, "An alias with the name %s already exists", aliasARN(k.Region, s.account, name))
	}
	var refusal *Error
	if !errors.As(err, &refusal) {
		return err
	}
	if err := touchKey(tx, k); err != nil {
		return err
	}
	now := s.now()
	return s.addAlias(tx, &Alias{
		Version: 1, Name: name, Region: k.Region, Account: s.account,
		Target: k.ID, Created: now, Updated: now,
	})
}

// UpdateAlias points an alias at another key, which must be of the same usage, and
// symmetric if the old one is: clients that know the name go on working.
func (s *Service) UpdateAlias(ctx context.Context, tx Tx, name string, k *Key) error {
	if err := k.Kept(); err != nil {
		return err
	}
	a, err := s.alias(ctx, tx, k.Region, name)
	if err != nil {
		return err
	}
	from, err := s.KeyByID(ctx, tx, a.Region, a.Target)
	if err != nil {
		return err
	}
	if from.Usage != k.Usage || from.Symmetric() != k.Symmetric() {
		return refuse(CodeValidation, "The current and the new key of alias %s must be of the same type and key usage.", name)
	}
	if err := s.dropAliasOf(ctx, tx, a); err != nil {
		return err
	}
	if err := touchKey(tx, k); err != nil {
		return err
	}
	moved := *a
	moved.Target, moved.Updated = k.ID, s.now()
	return s.addAlias(tx, &moved)
}

// DeleteAlias removes a name; the key stays as it is.
func (s *Service) DeleteAlias(ctx context.Context, tx Tx, region, name string) error {
	a, err := s.alias(ctx, tx, region, name)
	if err != nil {
		return err
	}
	return s.dropAliasOf(ctx, tx, a)
}

// dropAliasOf removes an alias of a key that stays.
func (s *Service) dropAliasOf(ctx context.Context, tx Tx, a *Alias) error {
	k, err := s.KeyByID(ctx, tx, a.Region, a.Target)
	if err != nil {
		return err
	}
	if err := touchKey(tx, k); err != nil {
		return err
	}
	return dropAlias(tx, a.Region, a.Name, a.Target)
}

func (s *Service) addAlias(tx Tx, a *Alias) error {
	n := 0
	for range tx.Scan(aliasIndexPath(a.Region, a.Target, ""), "") {
		n++
	}
	if n >= s.limits.AliasesPerKey {
		return refuse(CodeLimitExceeded, "A key has at most %d aliases.", s.limits.AliasesPerKey)
	}
	if err := tx.Put(aliasIndexPath(a.Region, a.Target, a.Name), nil); err != nil {
		return err
	}
	return put(tx, aliasPath(a.Region, a.Name), a)
}

func dropAlias(tx Tx, region, name, target string) error {
	if err := tx.Delete(aliasIndexPath(region, target, name)); err != nil {
		return err
	}
	return tx.Delete(aliasPath(region, name))
}
