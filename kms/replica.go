package kms

import (
	"errors"
	"slices"
	"strings"
)

// PendingReplicaDeletion is the state of a multi-Region primary key that is to be
// deleted and waits until its last replica is gone; then its window begins. AWS's
// states Updating and, of replicas, Creating are never seen here: a replica is
// made, and a primary changed, in one transaction.
const PendingReplicaDeletion State = "PendingReplicaDeletion"

// maxRelated bounds the keys of one id: more than there are AWS Regions.
const maxRelated = 64

// relatedIndex names, for each multi-Region key id, the regions that have a key of
// it. The keys of one id share material and the fields of changeShared, which
// stand the same in the record of each, and nothing else.
const relatedIndex = prefix + "related/"

func relatedPath(id, region string) string { return relatedIndex + id + "/" + region }

// Primary reports whether k is the primary of a multi-Region key.
func (k *Key) Primary() bool { return k.MultiRegion && k.Region == k.PrimaryRegion }

// Types of multi-Region keys, in AWS's words.
const (
	TypePrimary = "PRIMARY"
	TypeReplica = "REPLICA"
)

// MultiRegionType is the type of a multi-Region key.
func (k *Key) MultiRegionType() string {
	if k.Primary() {
		return TypePrimary
	}
	return TypeReplica
}

// ReplicaRegions are the regions that have a replica of the multi-Region key,
// sorted.
func (k *Key) ReplicaRegions() []string {
	return slices.DeleteFunc(slices.Clone(k.related), func(region string) bool { return region == k.PrimaryRegion })
}

// ARNIn is the ARN of the related key in a region.
func (k *Key) ARNIn(region string) string { return keyARN(region, k.Account, k.ID) }

// last reports whether no other key shares the material of k.
func (k *Key) last() bool { return !k.MultiRegion || len(k.related) <= 1 }

// loadRelated reads which regions have the key.
func (k *Key) loadRelated(tx Tx) {
	k.related = nil
	if !k.MultiRegion {
		return
	}
	for path := range tx.Scan(relatedPath(k.ID, ""), "") {
		k.related = append(k.related, strings.TrimPrefix(path, relatedPath(k.ID, "")))
	}
}

// changeShared stores a change of what related keys have in common, such as the
// number of the current backing key, in each of them, and returns k as it is now.
// A key of one region is changed alone.
func (s *Service) changeShared(tx Tx, k *Key, change func(*Key)) (*Key, error) {
	for _, region := range k.related {
		if region == k.Region {
			continue
		}
		other, err := s.loadKey(tx, region, k.ID)
		if err != nil {
			return nil, err
		}
		if _, err := changeKey(tx, other, change); err != nil {
			return nil, err
		}
	}
	return changeKey(tx, k, change)
}

// touchRelated stores the related keys as they are, so that caches read anew how
// they are related.
func (s *Service) touchRelated(tx Tx, k *Key) error {
	_, err := s.changeShared(tx, k, func(*Key) {})
	return err
}

// CheckPrimary refuses a key that is not the primary of a multi-Region key.
func (k *Key) CheckPrimary() error {
	if !k.Primary() {
		return refuse(CodeUnsupportedOperation, "%s is not a multi-Region primary key.", k.ARN())
	}
	return nil
}

// ReplicateKey stores a replica of a multi-Region primary key in another region:
// a key of the same id and material, with a policy, description, tags, aliases,
// grants and state of its own. It changes nothing in the token. A replica of a key
// whose material is imported has that material at once, which in AWS is imported
// into each.
func (s *Service) ReplicateKey(tx Tx, k *Key, n NewKey) (*Key, error) {
	if err := k.CheckPrimary(); err != nil {
		return nil, err
	}
	if err := k.Usable(); err != nil {
		return nil, err
	}
	tags, err := s.acceptTags(n.Tags)
	if err != nil {
		return nil, err
	}
	if slices.Contains(k.related, n.Region) {
		return nil, refuse(CodeAlreadyExists, "%s already exists.", k.ARNIn(n.Region))
	}
	if len(k.related) >= maxRelated {
		return nil, refuse(CodeLimitExceeded, "A multi-Region key has at most %d related keys.", maxRelated)
	}
	replica := *k
	replica.Region, replica.Description, replica.Policy, replica.Tags = n.Region, n.Description, n.Policy, tags
	replica.Created = s.now()
	err = errors.Join(
		tx.Put(relatedPath(k.ID, n.Region), nil),
		putKey(tx, &replica),
		s.touchRelated(tx, k))
	if err != nil {
		return nil, err
	}
	return s.loadKey(tx, n.Region, k.ID)
}

// UpdatePrimaryRegion makes the replica in a region the primary, and the primary a
// replica. Both must be enabled.
func (s *Service) UpdatePrimaryRegion(tx Tx, k *Key, region string) error {
	if err := k.CheckPrimary(); err != nil {
		return err
	}
	if err := k.Usable(); err != nil {
		return err
	}
	if region == k.Region {
		return refuse(CodeUnsupportedOperation, "%s is the primary key already.", k.ARN())
	}
	replica, err := s.loadKey(tx, region, k.ID)
	if err != nil {
		return err
	}
	if err := replica.Usable(); err != nil {
		return err
	}
	_, err = s.changeShared(tx, k, func(k *Key) { k.PrimaryRegion = region })
	return err
}

// dropRelated takes a key that is destroyed from its related ones. When that was
// the last replica of a primary that waits for it, the primary's window begins.
func (s *Service) dropRelated(tx Tx, k *Key) error {
	if !k.MultiRegion {
		return nil
	}
	if err := tx.Delete(relatedPath(k.ID, k.Region)); err != nil {
		return err
	}
	for _, region := range k.related {
		if region == k.Region {
			continue
		}
		other, err := s.loadKey(tx, region, k.ID)
		if err != nil {
			return err
		}
		if other.State == PendingReplicaDeletion && len(other.related) == 1 {
			_, err = s.beginWindow(tx, other, other.PendingWindow)
		} else {
			err = touchKey(tx, other)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkRelated reports related keys that do not agree with each other.
func (f *fsck) checkRelated() {
	primaries := make(map[string]*Key) // by id
	for _, k := range f.keys {
		if k.Primary() {
			primaries[k.ID] = k
		}
	}
	for _, k := range f.keys {
		if k.MultiRegion != strings.HasPrefix(k.ID, multiRegionPrefix) {
			f.report("key %s: its id and its kind disagree", k.ARN())
		}
		if !k.MultiRegion {
			continue
		}
		if _, err := f.tx.Get(relatedPath(k.ID, k.Region)); err != nil {
			f.report("key %s: not among its related keys: %v", k.ARN(), err)
		}
		if p := primaries[k.ID]; p == nil || p.PrimaryRegion != k.PrimaryRegion ||
			p.Spec != k.Spec || p.Usage != k.Usage || p.Origin != k.Origin || p.Current != k.Current {
			f.report("key %s: does not agree with its primary key in %s", k.ARN(), k.PrimaryRegion)
		}
	}
	for path := range f.tx.Scan(relatedIndex, "") {
		id, region, _ := strings.Cut(strings.TrimPrefix(path, relatedIndex), "/")
		if k := f.keys[region+"/"+id]; k == nil || !k.MultiRegion {
			f.report("record %s: no such multi-Region key", path)
		}
	}
}
