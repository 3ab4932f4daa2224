package kms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/keyd-hsm/keyd/policy"
	"github.com/keyd-hsm/keyd/store"
)

// Where records stand in the store. Regions and account-wide names hold no
// slash, alias names may: they come last.
const (
	prefix         = "kms/"
	rootPath       = prefix + "root"
	scrubPath      = prefix + "scrub" // deleted material may still be on the medium
	keyPrefix      = prefix + "key/"
	materialPrefix = prefix + "material/"
	aliasRecords   = prefix + "alias/"
	aliasIndex     = prefix + "alias-of/"
	deletionIndex  = prefix + "deletion/"
	rotationIndex  = prefix + "rotation/"
	expiryIndex    = prefix + "expiry/"
)

func keyPath(region, id string) string { return keyPrefix + region + "/" + id }

func materialPath(id string, number uint32) string {
	return fmt.Sprintf("%s%s/%010d", materialPrefix, id, number)
}

func ignoreNotFound(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

func put(tx Tx, path string, record any) error {
	b, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return tx.Put(path, b)
}

func get(tx Tx, path string, record any) error {
	b, err := tx.Get(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, record); err != nil {
		return fmt.Errorf("record %s: %w", path, err)
	}
	return nil
}

// KeyByID finds a key by its id, as Resolve does.
func (s *Service) KeyByID(ctx context.Context, tx Tx, region, id string) (*Key, error) {
	k, err := s.keyRecord(ctx, tx, region, id)
	if err != nil || k.CustomStore == "" {
		return k, err
	}
	return s.inStore(ctx, tx, k)
}

func (s *Service) keyRecord(ctx context.Context, tx Tx, region, id string) (*Key, error) {
	if tx != nil {
		return s.loadKey(tx, region, id)
	}
	return store.Cached(ctx, s.cache, keyPath(region, id), func(tx Tx) (*Key, error) {
		return s.loadKey(tx, region, id)
	})
}

func (s *Service) loadKey(tx Tx, region, id string) (*Key, error) {
	k := new(Key)
	err := get(tx, keyPath(region, id), k)
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(CodeNotFound, "Key '%s' does not exist", keyARN(region, s.account, id))
	}
	if err != nil {
		return nil, err
	}
	k.restore(s.policy)
	k.compile()
	for path := range tx.Scan(aliasIndexPath(region, id, ""), "") {
		k.aliases = append(k.aliases, strings.TrimPrefix(path, aliasIndexPath(region, id, "")))
	}
	k.loadRelated(tx)
	if _, err := tx.Get(grantCountPath(region, id)); err == nil {
		k.granted = true
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	k.material = make(map[uint32]Material, 1)
	for path, value := range tx.Scan(materialPrefix+id+"/", "") {
		var m Material
		if err := json.Unmarshal(value, &m); err != nil {
			return nil, fmt.Errorf("record %s: %w", path, err)
		}
		k.material[m.Number] = m
	}
	if _, ok := k.material[k.Current]; !ok && k.Current != 0 {
		return nil, fmt.Errorf("key %s: backing key %d is missing", k.ARN(), k.Current)
	}
	return k, nil
}

// keyPolicies are the key policies in use, compiled: most keys have the default one.
var keyPolicies = policy.Cache{Name: PolicyName, Kind: policy.Key}

// putKey stores a key. The default policy is half of a record and the same for most
// keys: only that it is the policy is kept.
func putKey(tx Tx, k *Key) error {
	record := *k
	if record.Policy == defaultPolicy(k.Account) {
		record.Policy, record.PolicyDefault = "", true
	}
	return put(tx, keyPath(k.Region, k.ID), &record)
}

// restore undoes what putKey left out of a record.
func (k *Key) restore(defaultPolicy string) {
	if k.PolicyDefault {
		k.Policy, k.PolicyDefault = defaultPolicy, false
	}
}

// compile makes the key policy ready to be asked.
func (k *Key) compile() {
	p, err := keyPolicies.Load(k.Policy)
	if err != nil {
		p = policy.Unreadable(PolicyName, policy.Key)
	}
	k.compiled = p
}

// touchKey stores a key as it is, so that caches read it anew: what is read with
// it has changed.
func touchKey(tx Tx, k *Key) error { return putKey(tx, k) }

// changeKey stores a changed copy of k and returns it. The rotation index follows
// the key's state and schedule.
func changeKey(tx Tx, k *Key, change func(*Key)) (*Key, error) {
	if k.State == Creating {
		return nil, k.Kept() // nobody's to change yet
	}
	changed := *k
	changed.Tags = maps.Clone(k.Tags)
	change(&changed)
	if err := moveDue(tx, rotationPath(k), rotationPath(&changed)); err != nil {
		return nil, err
	}
	return &changed, putKey(tx, &changed)
}
