package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/keyd-hsm/keyd/policy"
	"github.com/keyd-hsm/keyd/store"
)

// InlinePolicy is a policy that belongs to one user, group or role.
type InlinePolicy struct {
	Version  int    `json:"v"`
	Name     string `json:"name"`
	Document string `json:"document"`
}

func (h Holder) noInline(name string) *Error {
	return refuse(CodeNoSuchEntity, "The %s policy with name %s cannot be found.", h.Kind, name)
}

// PutInlinePolicy gives an entity a policy of its own, in place of one of the
// same name. All of an entity's inline policies together have a size limit.
func (s *Service) PutInlinePolicy(tx Tx, h Holder, name, document string) error {
	if err := checkName(kindPolicy, name); err != nil {
		return err
	}
	if _, err := s.parseDocument(document, policy.Identity); err != nil {
		return err
	}
	path := h.inline() + strings.ToLower(name)
	size := documentSize(document)
	for other, value := range tx.Scan(h.inline(), "") {
		if other == path {
			continue
		}
		var p InlinePolicy
		if err := json.Unmarshal(value, &p); err != nil {
			return fmt.Errorf("record %s: %w", other, err)
		}
		size += documentSize(p.Document)
	}
	if size > s.limits.InlineSize {
		return refuse(CodeLimitExceeded, "Maximum policy size of %d bytes exceeded for %s %s", s.limits.InlineSize, h.Kind, h.Name)
	}
	return put(tx, path, InlinePolicy{Version: 1, Name: name, Document: document})
}

// InlinePolicy finds an inline policy of an entity, whatever the case of its name.
func (s *Service) InlinePolicy(tx Tx, h Holder, name string) (*InlinePolicy, error) {
	p, err := load[InlinePolicy](tx, h.inline()+strings.ToLower(name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, h.noInline(name)
	}
	return p, err
}

// DeleteInlinePolicy takes an inline policy away.
func (s *Service) DeleteInlinePolicy(tx Tx, h Holder, name string) error {
	if _, err := s.InlinePolicy(tx, h, name); err != nil {
		return err
	}
	return tx.Delete(h.inline() + strings.ToLower(name))
}

// InlinePolicies lists the names of an entity's inline policies, sorted without
// regard to case.
func (s *Service) InlinePolicies(tx Tx, h Holder, p Page) ([]string, string, error) {
	return list(tx, h.inline(), p, func(name string, value []byte) (string, bool, error) {
		var p InlinePolicy
		if err := json.Unmarshal(value, &p); err != nil {
			return "", false, fmt.Errorf("record %s%s: %w", h.inline(), name, err)
		}
		return p.Name, true, nil
	})
}
