package iam

import (
	"iter"
	"strings"
)

// A section is one part of a list that goes through several kinds of records.
type section struct {
	prefix string
	// keep takes what stands behind prefix in a record's path, and its value, and
	// reports whether it belongs on the page.
	keep func(name string, value []byte) (bool, error)
	// scan yields the records after a path; nil: those in the store.
	scan func(after string) iter.Seq2[string, []byte]
}

// walk goes through one page of a list made of sections, in their order. next is
// the marker of the page that follows.
func walk(tx Tx, p Page, sections []section) (next string, err error) {
	first, after, err := begin(tx, p, sections)
	if err != nil {
		return "", err
	}
	var lastOf, last string
	kept, scanned := 0, 0
	for _, s := range sections[first:] {
		for path, value := range s.records(tx, after) {
			if kept == p.limit() || scanned == maxScanned {
				return mark(lastOf, last), nil
			}
			name := path[len(s.prefix):]
			ok, err := s.keep(name, value)
			if err != nil {
				return "", err
			}
			if ok {
				kept++
			}
			lastOf, last = s.prefix, name
			scanned++
		}
		after = ""
	}
	return "", nil
}

func (s section) records(tx Tx, after string) iter.Seq2[string, []byte] {
	if s.scan != nil {
		return s.scan(after)
	}
	return tx.Scan(s.prefix, after)
}

// begin finds the section that a marker stands in, and the path there.
func begin(tx Tx, p Page, sections []section) (first int, after string, err error) {
	if p.Marker == "" {
		return 0, "", nil
	}
	for i, s := range sections {
		name, err := p.after(s.prefix, func(yield func(string) bool) {
			for path := range s.records(tx, "") {
				if !yield(path[len(s.prefix):]) {
					return
				}
			}
		})
		if err == nil {
			return i, s.prefix + name, nil
		}
	}
	return 0, "", errMarker()
}

// kindAndName splits what an index of uses holds behind an ARN: "user/bob".
func kindAndName(use string) Holder {
	kind, name, _ := strings.Cut(use, "/")
	return Holder{Kind: kind, Name: name}
}
