package iam

import (
	"crypto/sha256"
	"encoding/base64"
	"iter"
)

// Page says which part of a list is asked for: at most Limit items, 0 meaning
// AWS's 100, after the item that Marker stands for. The zero Page is the first.
type Page struct {
	Limit  int
	Marker string
}

const (
	defaultPage = 100
	// maxScanned bounds the records that one page reads, so that a filter that
	// nothing matches does not read them all: the page is then shorter than its
	// limit, as AWS allows, and says that there is more.
	maxScanned = 10_000
	// maxMarked is the longest name that a marker holds: AWS's markers have at
	// most 320 characters. For a longer one it holds a digest.
	maxMarked = 200
	listTag   = 8 // bytes that tell the markers of one list from those of another
)

func (p Page) limit() int {
	if p.Limit <= 0 {
		return defaultPage
	}
	return p.Limit
}

// mark makes the marker of a list that goes on after name. It holds the name and
// not a number, so that it stays right when items come and go.
func mark(list, name string) string {
	tag := sha256.Sum256([]byte(list))
	b := append(tag[:listTag:listTag], 'n')
	if len(name) <= maxMarked {
		return base64.RawURLEncoding.EncodeToString(append(b, name...))
	}
	sum := sha256.Sum256([]byte(name))
	b[listTag] = 'h'
	return base64.RawURLEncoding.EncodeToString(append(b, sum[:]...))
}

// after reads the marker of a list: the name that stands before the page, "" for
// the first. all yields the list's names, to find one of which there is a digest.
func (p Page) after(list string, all iter.Seq[string]) (string, error) {
	if p.Marker == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(p.Marker)
	tag := sha256.Sum256([]byte(list))
	if err != nil || len(b) <= listTag+1 || string(b[:listTag]) != string(tag[:listTag]) {
		return "", errMarker()
	}
	switch name := string(b[listTag+1:]); b[listTag] {
	case 'n':
		return name, nil
	case 'h':
		for n := range all {
			if sum := sha256.Sum256([]byte(n)); string(sum[:]) == name {
				return n, nil
			}
		}
	}
	return "", errMarker()
}

func errMarker() *Error { return refuse(CodeValidation, "Invalid Marker.") }

// List reads one page of records that another package keeps under prefix, in the
// order of their paths. item makes an item of what stands behind prefix in the
// path, and of the value; it reports false to leave the record out. next is the
// marker of the page that follows, "" after the last.
func List[T any](tx Tx, prefix string, p Page, item func(name string, value []byte) (T, bool, error)) (items []T, next string, err error) {
	return list(tx, prefix, p, item)
}

// list reads one page of the records under prefix, in the order of their paths.
// item makes an item of what stands behind prefix in the path, and of the value;
// it reports false to leave the record out. next is the marker of the page that
// follows, "" after the last.
func list[T any](tx Tx, prefix string, p Page, item func(name string, value []byte) (T, bool, error)) (items []T, next string, err error) {
	after, err := p.after(prefix, names(tx, prefix))
	if err != nil {
		return nil, "", err
	}
	if after != "" {
		after = prefix + after
	}
	items = []T{}
	last, scanned := "", 0
	for path, value := range tx.Scan(prefix, after) {
		name := path[len(prefix):]
		if scanned == maxScanned {
			return items, mark(prefix, last), nil
		}
		it, ok, err := item(name, value)
		if err != nil {
			return nil, "", err
		}
		if ok && len(items) == p.limit() {
			return items, mark(prefix, last), nil
		}
		if ok {
			items = append(items, it)
		}
		last, scanned = name, scanned+1
	}
	return items, "", nil
}

// pageOf cuts one page out of a list that is at hand, sorted by the names of its
// items. list tells its markers from those of other lists.
func pageOf[T any](all []T, list string, p Page, name func(T) string) (items []T, next string, err error) {
	after, err := p.after(list, func(yield func(string) bool) {
		for _, it := range all {
			if !yield(name(it)) {
				return
			}
		}
	})
	if err != nil {
		return nil, "", err
	}
	items = []T{}
	for _, it := range all {
		switch {
		case p.Marker != "" && name(it) <= after:
		case len(items) == p.limit():
			return items, mark(list, name(items[len(items)-1])), nil
		default:
			items = append(items, it)
		}
	}
	return items, "", nil
}
