package iam

import (
	"errors"

	"github.com/keyd-hsm/keyd/store"
)

// alias is the record of the account's alias.
type alias struct {
	Version int    `json:"v"`
	Alias   string `json:"alias"`
}

// CreateAccountAlias gives the account an alias, in place of one that it may have.
// EntityAlreadyExists if that is its alias already.
func (s *Service) CreateAccountAlias(tx Tx, name string) error {
	old, err := s.AccountAlias(tx)
	if err != nil {
		return err
	}
	if old == name {
		return refuse(CodeAlreadyExists, "The account alias %s already exists.", name)
	}
	return put(tx, accountAlias, alias{Version: 1, Alias: name})
}

// DeleteAccountAlias takes the alias away; NoSuchEntity if the account has not
// got it.
func (s *Service) DeleteAccountAlias(tx Tx, name string) error {
	old, err := s.AccountAlias(tx)
	if err != nil {
		return err
	}
	if old == "" || old != name {
		return refuse(CodeNoSuchEntity, "The account alias with name %s cannot be found.", name)
	}
	return tx.Delete(accountAlias)
}

// AccountAlias is the account's alias, "" if it has none.
func (s *Service) AccountAlias(tx Tx) (string, error) {
	a, err := load[alias](tx, accountAlias)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return a.Alias, nil
}
