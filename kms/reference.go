package kms

import (
	"context"
	"strings"
)

// A reference is what a request names a key by.
type reference struct {
	text    string // as given
	id      string // set for a key id or key ARN
	alias   string // set for an alias name or alias ARN, with its "alias/"
	account string // set for an ARN of another account
}

// parseReference reads a key id, key ARN, alias name or alias ARN. An ARN of
// another region is refused, as AWS does.
func (s *Service) parseReference(region, text string) (reference, error) {
	ref := reference{text: text}
	resource := text
	if strings.HasPrefix(text, "arn:") {
		parts := strings.SplitN(text, ":", 6)
		if len(parts) != 6 || parts[1] != "aws" || parts[2] != "kms" {
			return ref, refuse(CodeInvalidArn, "Invalid arn %s", text)
		}
		if parts[3] != region {
			return ref, refuse(CodeNotFound, "Invalid arn %s", parts[3])
		}
		if parts[4] != s.account {
			ref.account = parts[4]
		}
		resource = parts[5]
		id, isKey := strings.CutPrefix(resource, "key/")
		if !isKey && !strings.HasPrefix(resource, aliasPrefix) {
			return ref, refuse(CodeInvalidArn, "Invalid arn %s", text)
		}
		if isKey {
			resource = id
		}
	}
	if strings.HasPrefix(resource, aliasPrefix) {
		ref.alias = resource
		return ref, nil
	}
	if !validKeyID(resource) {
		return ref, refuse(CodeNotFound, "Invalid keyId '%s'", resource)
	}
	ref.id = resource
	return ref, nil
}

// Resolve finds the key that text names in region: a key id, key ARN, alias
// name or alias ARN. With a transaction it reads there; with nil, from the
// cache, which a change has left before it returned.
func (s *Service) Resolve(ctx context.Context, tx Tx, region, text string) (*Key, error) {
	ref, err := s.parseReference(region, text)
	if err != nil {
		return nil, err
	}
	if ref.account != "" {
		return nil, refuse(CodeNotFound, "Account '%s' is not served here", ref.account)
	}
	if ref.alias == "" {
		return s.KeyByID(ctx, tx, region, ref.id)
	}
	a, err := s.alias(ctx, tx, region, ref.alias)
	if err != nil {
		return nil, err
	}
	return s.KeyByID(ctx, tx, region, a.Target)
}

// ResolveID is Resolve for the operations that take a key id or key ARN only.
func (s *Service) ResolveID(ctx context.Context, tx Tx, region, text string) (*Key, error) {
	ref, err := s.parseReference(region, text)
	if err != nil {
		return nil, err
	}
	if ref.alias != "" {
		if ref.text != ref.alias {
			return nil, refuse(CodeInvalidArn, "Invalid arn %s", text)
		}
		return nil, refuse(CodeNotFound, "Invalid keyId '%s'", text)
	}
	return s.Resolve(ctx, tx, region, text)
}

// AliasNamed returns the alias name in text if text names a key by an alias,
// else "".
func AliasNamed(text string) string {
	if i := strings.Index(text, ":"+aliasPrefix); i >= 0 && strings.HasPrefix(text, "arn:") {
		return text[i+1:]
	}
	if strings.HasPrefix(text, aliasPrefix) {
		return text
	}
	return ""
}

// CiphertextKeyID is the id of the key that a ciphertext says it belongs to.
// The error is ErrInvalidCiphertext.
func CiphertextKeyID(ciphertext []byte) (string, error) {
	b, ok := parseBlob(ciphertext)
	if !ok {
		return "", ErrInvalidCiphertext
	}
	return b.keyID, nil
}
