package kms

import "strings"

// checkRotations reports keys whose rotation will never come, and entries for
// which there is no rotation.
func (f *fsck) checkRotations() {
	wanted := make(map[string]*Key)
	for _, k := range f.keys {
		if path := rotationPath(k); path != "" {
			wanted[path] = k
		}
		if (k.Rotation.Period == 0) != k.Rotation.Next.IsZero() {
			f.report("key %s: rotation period and date disagree", k.ARN())
		}
	}
	f.checkDue(rotationIndex, wanted, "rotated")
}

// checkDue compares an index with the entries that the keys want.
func (f *fsck) checkDue(index string, wanted map[string]*Key, what string) {
	for path := range f.tx.Scan(index, "") {
		if wanted[path] == nil {
			f.report("record %s: no key is to be %s then", path, what)
		}
		if _, _, err := parseDue(strings.TrimPrefix(path, index)); err != nil {
			f.report("record %s: malformed: %v", path, err)
		}
		delete(wanted, path)
	}
	for path, k := range wanted {
		f.report("key %s: record %s is missing", k.ARN(), path)
	}
}

// missing reports whether the material of a key may be gone: imported material is
// deleted and expires.
func (k *Key) missing(m Material) bool {
	return k.Origin == OriginExternal && !m.Present() && m.Domain == "" && !m.Pending
}

// checkImports reports keys whose state and imported material disagree, and
// expiries that will never come.
func (f *fsck) checkImports() {
	materials := make(map[string]map[uint32]Material) // by key id
	each(f, materialPrefix, func(name string, m *Material) {
		id, _, _ := strings.Cut(name, "/")
		if materials[id] == nil {
			materials[id] = make(map[uint32]Material)
		}
		materials[id][m.Number] = *m
	})
	wanted := make(map[string]*Key)
	for _, k := range f.keys {
		if k.Origin != OriginExternal {
			continue
		}
		of := *k
		of.material = materials[k.ID]
		for _, m := range of.material {
			if path := expiryPath(k, m); path != "" {
				wanted[path] = k
			}
		}
		if k.State != PendingDeletion && k.State != PendingReplicaDeletion && (k.State == PendingImport) == of.complete() {
			f.report("key %s: state %s and its imported material disagree", k.ARN(), k.State)
		}
	}
	f.checkDue(expiryIndex, wanted, "relieved of material")
}
