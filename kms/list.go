package kms

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// A Page asks for part of a list: at most Limit entries that come after the
// place Marker names. A marker stays right while the list changes: it names the
// last entry seen, not a count.
type Page struct {
	Limit  int
	Marker string
}

// markerMagic tells our markers from other text.
const markerMagic = "k1:"

func encodeMarker(last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(markerMagic + last))
}

func (p Page) after() (string, error) {
	if p.Marker == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(p.Marker)
	last, ok := strings.CutPrefix(string(b), markerMagic)
	if err != nil || !ok || last == "" {
		return "", refuse(CodeInvalidMarker, "Could not deserialize marker '%s'", p.Marker)
	}
	return last, nil
}

// list calls each for one page of the records under prefix and returns the
// marker of the next page, "" at the end.
func (s *Service) list(ctx context.Context, prefix string, p Page, each func(tx Tx, name string, value []byte) error) (next string, err error) {
	after, err := p.after()
	if err != nil {
		return "", err
	}
	if after != "" {
		after = prefix + after
	}
	err = s.db.View(ctx, func(tx Tx) error {
		n, last := 0, ""
		for path, value := range tx.Scan(prefix, after) {
			if n == p.Limit {
				next = encodeMarker(last)
				return nil
			}
			n, last = n+1, strings.TrimPrefix(path, prefix)
			if err := each(tx, last, value); err != nil {
				return fmt.Errorf("record %s: %w", path, err)
			}
		}
		return nil
	})
	return next, err
}

// ListKeys lists the ids of a region's keys, sorted.
func (s *Service) ListKeys(ctx context.Context, region string, p Page) (ids []string, next string, err error) {
	next, err = s.list(ctx, keyPath(region, ""), p, func(_ Tx, id string, _ []byte) error {
		ids = append(ids, id)
		return nil
	})
	return ids, next, err
}

// ListAliases lists a region's aliases by name, or those of one key.
func (s *Service) ListAliases(ctx context.Context, region string, of *Key, p Page) (aliases []*Alias, next string, err error) {
	add := func(value []byte) error {
		a := new(Alias)
		aliases = append(aliases, a)
		return json.Unmarshal(value, a)
	}
	if of == nil {
		next, err = s.list(ctx, aliasPath(region, ""), p, func(_ Tx, _ string, value []byte) error {
			return add(value)
		})
		return aliases, next, err
	}
	next, err = s.list(ctx, aliasIndexPath(region, of.ID, ""), p, func(tx Tx, name string, _ []byte) error {
		value, err := tx.Get(aliasPath(region, name))
		if err != nil {
			return err
		}
		return add(value)
	})
	return aliases, next, err
}

// ARNOf is the ARN of a key id of this account.
func (s *Service) ARNOf(region, id string) string { return keyARN(region, s.account, id) }
