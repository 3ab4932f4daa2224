package kms

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/keyd-hsm/keyd/store"
)

// Where grants stand. All but the grants themselves follow from them:
//
//	grant/       the grants, by key
//	grant-count/ how many a key has
//	grantee/     what a grantee has on a key, in short: the gate's first look
//	grant-form/  and in full, by bucket and form, with the number of such grants
//	grant-to/    grants by key and grantee, for ListGrants
//	grant-retire/ grants by who may retire them
//	grant-name/  grants by name and all parameters
//
// No principal holds the bar that stands for its slashes here.
const (
	grantRecords = prefix + "grant/"
	grantCounts  = prefix + "grant-count/"
	granteeIndex = prefix + "grantee/"
	formIndex    = prefix + "grant-form/"
	grantToIndex = prefix + "grant-to/"
	retireIndex  = prefix + "grant-retire/"
	nameIndex    = prefix + "grant-name/"

	grantCaches = prefix + "grant" // all of them
)

func pathed(principal string) string { return strings.ReplaceAll(principal, "/", "|") }

func grantPath(region, key, id string) string  { return grantRecords + region + "/" + key + "/" + id }
func grantCountPath(region, key string) string { return grantCounts + region + "/" + key }

func granteePath(region, key, grantee string) string {
	return granteeIndex + region + "/" + key + "/" + pathed(grantee)
}

func formPath(region, key, grantee, bucket, form string) string {
	return formIndex + region + "/" + key + "/" + pathed(grantee) + "/" + bucket + "/" + form
}

func grantToPath(region, key, grantee, id string) string {
	return grantToIndex + region + "/" + key + "/" + pathed(grantee) + "/" + id
}

func retirePath(region, retiring, key, id string) string {
	return retireIndex + region + "/" + pathed(retiring) + "/" + key + "/" + id
}

func (g *Grant) namePath() string {
	b := appendString(appendString(appendString(nil, g.Name), g.Grantee), g.Retiring)
	b = append(b, g.form(newOpSet(g.Operations...))...)
	return nameIndex + g.Region + "/" + g.Key + "/" + digest(b)
}

// A granteeRecord is what a grantee has on a key, in short. The sets of
// operations stand in decimal, with the number of grants that have them.
type granteeRecord struct {
	Open   map[opSet]int `json:"open,omitempty"`   // without constraints
	Bound  map[opSet]int `json:"bound,omitempty"`  // with some
	Equals int           `json:"equals,omitempty"` // of Bound: with an Equals
}

func (r *granteeRecord) empty() bool { return len(r.Open) == 0 && len(r.Bound) == 0 }

func count[K comparable](m *map[K]int, k K, by int) {
	if *m == nil {
		*m = make(map[K]int)
	}
	(*m)[k] += by
	if (*m)[k] <= 0 {
		delete(*m, k)
	}
}

// A formRecord stands for all grants of a grantee with the same operations and
// constraints.
type formRecord struct {
	Grants     int   `json:"grants"`
	Operations opSet `json:"operations"`
	Constraints
}

// find reads a record that may be missing: then it stays as it is.
func find(tx Tx, path string, record any) error {
	err := get(tx, path, record)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// keep writes a record, or removes it where there is nothing left to say.
func keep(tx Tx, path string, record any, gone bool) error {
	if gone {
		return tx.Delete(path)
	}
	return put(tx, path, record)
}

// note adds a grant to all indexes, or with by = -1 takes it out.
func (g *Grant) note(tx Tx, by int) error {
	if err := g.noteGrantee(tx, by); err != nil {
		return err
	}
	if err := g.noteForm(tx, by); err != nil {
		return err
	}
	paths := []string{grantToPath(g.Region, g.Key, g.Grantee, g.ID)}
	if g.Retiring != "" {
		paths = append(paths, retirePath(g.Region, g.Retiring, g.Key, g.ID))
	}
	for _, path := range paths {
		if err := noteAt(tx, path, nil, by); err != nil {
			return err
		}
	}
	if g.Name == "" {
		return nil
	}
	return noteAt(tx, g.namePath(), []byte(g.ID), by)
}

func noteAt(tx Tx, path string, value []byte, by int) error {
	if by < 0 {
		return tx.Delete(path)
	}
	return tx.Put(path, value)
}

func (g *Grant) noteGrantee(tx Tx, by int) error {
	path, operations := granteePath(g.Region, g.Key, g.Grantee), newOpSet(g.Operations...)
	var r granteeRecord
	if err := find(tx, path, &r); err != nil {
		return err
	}
	if g.constrained() {
		count(&r.Bound, operations, by)
	} else {
		count(&r.Open, operations, by)
	}
	if g.Equals != nil {
		r.Equals += by
	}
	return keep(tx, path, r, r.empty())
}

func (g *Grant) noteForm(tx Tx, by int) error {
	if !g.constrained() {
		return nil
	}
	f := formRecord{Operations: newOpSet(g.Operations...), Constraints: g.Constraints}
	path := formPath(g.Region, g.Key, g.Grantee, g.Bucket, g.form(f.Operations))
	if err := find(tx, path, &f); err != nil {
		return err
	}
	f.Grants += by
	return keep(tx, path, f, f.Grants <= 0)
}

// fullBucket is how many forms make a bucket one to avoid.
const fullBucket = 32

// bucket chooses where the index keeps the grant: the first place that is not
// crowded, so that a pair which many grants share gathers none of them.
func (g *Grant) bucket(tx Tx) string {
	best, least := "", 0
	for _, b := range g.buckets() {
		n := 0
		for range tx.Scan(formPath(g.Region, g.Key, g.Grantee, b, ""), "") {
			if n++; n == fullBucket {
				break
			}
		}
		if best == "" || n < least {
			best, least = b, n
		}
		if least == 0 {
			break
		}
	}
	return best
}

// grantCount is the number of grants of a key.
type grantCount struct {
	Grants int `json:"grants"`
}

// noteCount changes the number of a key's grants. The key is read anew with its
// first and without its last, for it says whether there are any.
func noteCount(tx Tx, k *Key, by, limit int) error {
	path := grantCountPath(k.Region, k.ID)
	var c grantCount
	if err := find(tx, path, &c); err != nil {
		return err
	}
	if by > 0 && c.Grants >= limit {
		return refuse(CodeLimitExceeded, "A key has at most %d grants.", limit)
	}
	before := c.Grants
	c.Grants += by
	if err := keep(tx, path, c, c.Grants == 0); err != nil {
		return err
	}
	if before > 0 && c.Grants > 0 {
		return nil
	}
	return touchKey(tx, k)
}

func decodeGrant(value []byte) (*Grant, error) {
	g := new(Grant)
	if err := json.Unmarshal(value, g); err != nil {
		return nil, fmt.Errorf("grant: %w", err)
	}
	return g, nil
}
