package kms

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Fsck checks the service's records against each other and returns what is
// wrong, a line each; nothing for a sound store. It needs no token.
func Fsck(tx Tx) []string {
	f := &fsck{tx: tx, keys: make(map[string]*Key)}
	var root rootKeys
	if err := get(tx, rootPath, &root); err != nil {
		f.report("root keys: %v", err)
	}
	f.checkKeys()
	f.checkRelated()
	f.checkStores()
	f.checkMaterial()
	f.checkUnmade()
	f.checkPool()
	f.checkAliases()
	f.checkDeletions()
	f.checkRotations()
	f.checkImports()
	f.checkGrants()
	f.checkUsages()
	return f.problems
}

type fsck struct {
	tx       Tx
	keys     map[string]*Key // by region/id
	problems []string
}

func (f *fsck) report(format string, args ...any) {
	f.problems = append(f.problems, fmt.Sprintf(format, args...))
}

// each decodes the records under prefix.
func each[T any](f *fsck, prefix string, visit func(name string, record *T)) {
	for path, value := range f.tx.Scan(prefix, "") {
		record := new(T)
		if err := json.Unmarshal(value, record); err != nil {
			f.report("record %s: %v", path, err)
			continue
		}
		visit(strings.TrimPrefix(path, prefix), record)
	}
}

func (f *fsck) checkKeys() {
	each(f, keyPrefix, func(name string, k *Key) {
		k.restore(defaultPolicy(k.Account))
		f.keys[name] = k
		switch {
		case name != k.Region+"/"+k.ID || !validKeyID(k.ID):
			f.report("key %s: stands under the name %s", k.ARN(), name)
		case k.State != Enabled && k.State != Disabled && k.State != PendingDeletion && k.State != PendingReplicaDeletion && k.State != Creating &&
			(k.State != PendingImport || k.Origin != OriginExternal):
			f.report("key %s: unknown state %q", k.ARN(), k.State)
		case (k.State == PendingDeletion) == k.DeletionDate.IsZero():
			f.report("key %s: state %s and deletion date disagree", k.ARN(), k.State)
		case k.Policy == "":
			f.report("key %s: no key policy", k.ARN())
		}
		if (k.Current == 0) != (k.State == Creating) && k.Origin != OriginExternal {
			f.report("key %s: state %s and backing key %d disagree", k.ARN(), k.State, k.Current)
		}
		if _, err := f.tx.Get(materialPath(k.ID, k.Current)); err != nil && k.Current != 0 {
			f.report("key %s: backing key %d: %v", k.ARN(), k.Current, err)
		}
		if k.State == PendingDeletion {
			if _, err := f.tx.Get(deletionPath(k)); err != nil {
				f.report("key %s: no deletion is scheduled: %v", k.ARN(), err)
			}
		}
	})
}

func (f *fsck) checkMaterial() {
	owners := make(map[string]*Key)
	for _, k := range f.keys {
		owners[k.ID] = k
	}
	each(f, materialPrefix, func(name string, m *Material) {
		id, _, _ := strings.Cut(name, "/")
		switch {
		case owners[id] == nil:
			f.report("material %s: belongs to no key", name)
		case materialPath(id, m.Number) != materialPrefix+name:
			f.report("material %s: has number %d", name, m.Number)
		case (len(m.Wrapped) == 0 || m.Domain == "") == (m.Resident == "") && !owners[id].missing(*m) || len(m.ID) != 64:
			f.report("material %s: incomplete", name)
		}
		f.checkPublic(name, owners[id], m)
	})
}

// checkPublic reports a pair whose public key is not one of its spec, and public
// keys of others.
func (f *fsck) checkPublic(name string, k *Key, m *Material) {
	if k == nil {
		return
	}
	if specs[k.Spec] == nil || specs[k.Spec].algorithms[k.Usage] == nil {
		f.report("key %s: no key of spec %s has usage %s", k.ARN(), k.Spec, k.Usage)
		return
	}
	if !k.Asymmetric() {
		if m.Public != nil {
			f.report("material %s: a public key of no pair", name)
		}
		return
	}
	if _, err := ParsePublic(k.Spec, m.Public); err != nil {
		f.report("material %s: %v", name, err)
	}
}

func (f *fsck) checkAliases() {
	aliases := make(map[string]bool)
	each(f, aliasRecords, func(name string, a *Alias) {
		aliases[aliasIndexPath(a.Region, a.Target, a.Name)] = true
		if name != a.Region+"/"+a.Name {
			f.report("alias %s: stands under the name %s", a.ARN(), name)
		}
		if f.keys[a.Region+"/"+a.Target] == nil {
			f.report("alias %s: its key %s is not there", a.ARN(), a.Target)
		}
	})
	for path := range f.tx.Scan(aliasIndex, "") {
		if !aliases[path] {
			f.report("record %s: no such alias", path)
		}
		delete(aliases, path)
	}
	for path := range aliases {
		f.report("record %s: missing", path)
	}
}

func (f *fsck) checkDeletions() {
	for path := range f.tx.Scan(deletionIndex, "") {
		_, name, _ := strings.Cut(strings.TrimPrefix(path, deletionIndex), "/")
		if k := f.keys[name]; k == nil || k.State != PendingDeletion || deletionPath(k) != path {
			f.report("record %s: no key is to be deleted then", path)
		}
	}
}
