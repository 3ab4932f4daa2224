package iam

import (
	"strings"

	"github.com/keyd-hsm/keyd/policy"
)

// managedPolicies checks that every managed policy has the version in force, and
// every version its policy, and that all documents can be loaded: one that cannot
// would deny everything to whom it is attached.
func (f *fsck) managedPolicies() {
	byID := make(map[string]*ManagedPolicy)
	each(f, policies, func(path string, p *ManagedPolicy) bool {
		byID[p.ID] = p
		f.wants(path, p.versionPath(p.Default))
		return entityPath(kindPolicy, p.Name) == path && p.Path != "" && strings.HasPrefix(p.ID, prefixPolicy)
	})
	each(f, versions, func(path string, v *PolicyVersion) bool {
		id, version, _ := strings.Cut(path[len(versions):], "/")
		p := byID[id]
		if p == nil || v.number() > p.Newest {
			f.add("record %s: belongs to no policy", path)
		}
		f.document(path, v.Document)
		return v.ID == version
	})
}

func (f *fsck) inlinePolicies() {
	each(f, inline, func(path string, p *InlinePolicy) bool {
		f.document(path, p.Document)
		return strings.HasSuffix(path, "/"+strings.ToLower(p.Name))
	})
}

func (f *fsck) document(path, document string) {
	if _, err := policy.Load("", []byte(document), policy.Identity); err != nil {
		f.add("record %s: document: %v", path, err)
	}
}

// accesses checks that what is known of the use of services is about somebody.
func (f *fsck) accesses() {
	for id := range names(f.tx, accessed) {
		f.wants(accessed+id, uniqueIDs+id)
	}
}
