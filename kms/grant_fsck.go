package kms

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// checkGrants holds the indexes of grants against what the grants say.
func (f *fsck) checkGrants() {
	want := make(map[string]any) // records by path
	counts := make(map[string]*grantCount)
	grantees := make(map[string]*granteeRecord)
	forms := make(map[string]*formRecord)
	each(f, grantRecords, func(name string, g *Grant) {
		place := g.Region + "/" + g.Key
		if name != place+"/"+g.ID || !validGrantID(g.ID) {
			f.report("grant %s: stands under the name %s", g.ID, name)
		}
		if f.keys[place] == nil {
			f.report("grant %s: its key %s is not there", g.ID, g.Key)
		}
		if g.Grantee == "" || len(g.Operations) == 0 || len(g.Seed) != seedSize || !slices.Contains(g.buckets(), g.Bucket) {
			f.report("grant %s: incomplete", g.ID)
		}
		operations := newOpSet(g.Operations...)
		at(counts, grantCountPath(g.Region, g.Key)).Grants++
		r := at(grantees, granteePath(g.Region, g.Key, g.Grantee))
		if g.constrained() {
			count(&r.Bound, operations, 1)
			form := at(forms, formPath(g.Region, g.Key, g.Grantee, g.Bucket, g.form(operations)))
			form.Grants, form.Operations, form.Constraints = form.Grants+1, operations, g.Constraints
		} else {
			count(&r.Open, operations, 1)
		}
		if g.Equals != nil {
			r.Equals++
		}
		want[grantToPath(g.Region, g.Key, g.Grantee, g.ID)] = ""
		if g.Retiring != "" {
			want[retirePath(g.Region, g.Retiring, g.Key, g.ID)] = ""
		}
		if g.Name != "" {
			want[g.namePath()] = g.ID
		}
	})
	gather(want, counts)
	gather(want, grantees)
	gather(want, forms)
	f.compare(want, grantCounts, granteeIndex, formIndex, grantToIndex, retireIndex, nameIndex)
}

func at[T any](m map[string]*T, path string) *T {
	if m[path] == nil {
		m[path] = new(T)
	}
	return m[path]
}

func gather[T any](all map[string]any, some map[string]*T) {
	for path, record := range some {
		all[path] = record
	}
}

// compare reports what the records under the prefixes have too many, too few or
// otherwise than wanted. A string is wanted as it is, all else as JSON.
func (f *fsck) compare(want map[string]any, prefixes ...string) {
	for _, p := range prefixes {
		for path, value := range f.tx.Scan(p, "") {
			record, ok := want[path]
			delete(want, path)
			text, plain := record.(string)
			if ok && !plain {
				b, err := json.Marshal(record)
				ok, text = err == nil, string(b)
			}
			if !ok || text != string(value) {
				f.report("record %s: does not agree with the grants", strings.ToValidUTF8(path, "?"))
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(want)) {
		f.report("record %s: missing", path)
	}
}
