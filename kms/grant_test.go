package kms_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/store"
)

// pairs draws an encryption context from so few keys and values that two of them
// often agree; nil now and then.
func pairs() *rapid.Generator[map[string]string] {
	some := rapid.MapOfN(rapid.SampledFrom([]string{"a", "A", "b", "c"}), rapid.SampledFrom([]string{"", "1", "2"}), 0, 3)
	return rapid.Custom(func(t *rapid.T) map[string]string {
		if rapid.IntRange(0, 3).Draw(t, "nil") == 0 {
			return nil
		}
		return some.Draw(t, "pairs")
	})
}

func constraints() *rapid.Generator[kms.Constraints] {
	return rapid.Custom(func(t *rapid.T) kms.Constraints {
		return kms.Constraints{Equals: pairs().Draw(t, "equals"), Subset: pairs().Draw(t, "subset")}
	})
}

// modelAllows is rule 7.4 as it is told, pair by pair.
func modelAllows(c kms.Constraints, context map[string]string) bool {
	if c.Equals != nil {
		for k, v := range c.Equals {
			if got, ok := context[k]; !ok || got != v {
				return false
			}
		}
		for k := range context {
			if _, ok := c.Equals[k]; !ok {
				return false
			}
		}
	}
	for k, v := range c.Subset {
		if got, ok := context[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// everyContext is each context over the keys and values of pairs.
func everyContext() (all []map[string]string) {
	values := []string{"-", "", "1", "2"}
	for i := range 256 {
		m := map[string]string{}
		for n, k := range []string{"a", "A", "b", "c"} {
			if v := values[i>>(2*n)&3]; v != "-" {
				m[k] = v
			}
		}
		all = append(all, m)
	}
	return all
}

// TestConstraints: rules 7.4 and 7.5 against a model. A grant within another
// allows no context that the other does not; and it is within where it adds to
// the same constraints.
func TestConstraints(t *testing.T) {
	contexts := everyContext()
	rapid.Check(t, func(t *rapid.T) {
		parent, child := constraints().Draw(t, "parent"), constraints().Draw(t, "child")
		within := child.Within(parent)
		for _, m := range contexts {
			if parent.Allow(m) != modelAllows(parent, m) {
				t.Fatalf("%+v, context %v: %v", parent, m, parent.Allow(m))
			}
			if within && modelAllows(child, m) && !modelAllows(parent, m) {
				t.Fatalf("%+v is within %+v, yet allows %v", child, parent, m)
			}
		}
		stricter := kms.Constraints{Equals: parent.Equals, Subset: map[string]string{"new": "1"}}
		for k, v := range parent.Subset {
			stricter.Subset[k] = v
		}
		if !parent.Within(parent) || !stricter.Within(parent) || len(parent.Subset) == 0 && parent.Equals == nil && !child.Within(parent) {
			t.Fatalf("not within %+v", parent)
		}
		if parent.Equals != nil && parent.Within(kms.Constraints{Subset: parent.Equals}) != true {
			t.Fatalf("%+v is not within the subset of it", parent)
		}
	})
}

// granting is a service with one key.
type granting struct {
	*testkit.Kit
	key string
}

func startGranting(t testing.TB) *granting {
	kit := testkit.Start(t)
	return &granting{kit, kit.NewKey("eu-1")}
}

func (g *granting) now(t interface{ Fatal(...any) }) *kms.Key {
	k, err := g.Service.KeyByID(context.Background(), nil, "eu-1", g.key)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (g *granting) create(n kms.NewGrant) (made *kms.Grant, token string, err error) {
	err = g.DB.Update(context.Background(), func(tx store.Tx) error {
		k, err := g.Service.KeyByID(context.Background(), tx, "eu-1", g.key)
		if err != nil {
			return err
		}
		made, token, err = g.Service.CreateGrant(tx, k, n)
		return err
	})
	return made, token, err
}

// draw draws a grant to one of few.
func (g *granting) draw(t *rapid.T) kms.NewGrant {
	n := kms.NewGrant{Grantee: rapid.SampledFrom(grantees).Draw(t, "grantee"), Issuer: testkit.Account}
	n.Name = rapid.SampledFrom([]string{"", "n"}).Draw(t, "name")
	n.Operations, n.Constraints = fewOperations.Draw(t, "operations"), constraints().Draw(t, "constraints")
	if slices.Equal(n.Operations, []string{"CreateGrant"}) {
		n.Operations = append(n.Operations, "RetireGrant")
	}
	return n
}

var (
	grantees      = []string{"AIDAAAAAAAAAAAAAAAAAA", "arn:aws:sts::111122223333:federated-user/a", "arn:aws:sts::111122223333:federated-user/a/b"}
	fewOperations = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"Encrypt", "Decrypt", "CreateGrant", "DescribeKey"}), 1, 3, rapid.ID)
)

// TestGrantIndex: whatever grants come and go, the index answers as a walk over
// all of them would, and is consistent.
func TestGrantIndex(t *testing.T) {
	g := startGranting(t)
	rapid.Check(t, func(t *rapid.T) {
		live := map[string]*kms.Grant{}
		defer g.change(t, func(tx store.Tx) error { return g.deleteAll(t, tx, live) })
		for range 3 {
			created := rapid.SliceOfN(rapid.Custom(g.draw), 0, 8).Draw(t, "created")
			deleted := rapid.IntRange(0, 3).Draw(t, "deleted")
			g.change(t, func(tx store.Tx) error {
				for _, id := range slices.Sorted(maps.Keys(live))[:min(deleted, len(live))] {
					if err := g.Service.DeleteGrant(tx, g.within(t, tx), live[id]); err != nil {
						return err
					}
					delete(live, id)
				}
				for _, n := range created {
					made, _, err := g.Service.CreateGrant(tx, g.within(t, tx), n)
					if err != nil {
						return err
					}
					live[made.ID] = made
				}
				return nil
			})
			for range 16 {
				g.ask(t, live)
			}
		}
		g.check(t)
	})
}

// ask compares the index with the walk.
func (g *granting) ask(t *rapid.T, live map[string]*kms.Grant) {
	q := &kms.GrantQuestion{Action: "kms:" + rapid.SampledFrom([]string{"Encrypt", "DescribeKey", "CreateGrant", "Sign", "ListKeys"}).Draw(t, "action")}
	q.Context = pairs().Draw(t, "context")
	if q.Action == "kms:CreateGrant" {
		q.Child = &kms.GrantScope{Operations: fewOperations.Draw(t, "child's"), Constraints: constraints().Draw(t, "child")}
	}
	who := rapid.SampledFrom(grantees).Draw(t, "asker")
	want := false
	for _, x := range live {
		want = want || x.Grantee == who && modelPermits(x, q)
	}
	if got, err := g.Service.Granted(context.Background(), g.now(t), who, q); err != nil || got != want {
		t.Fatalf("%s, %+v: %v, %v; want %v", who, q, got, err, want)
	}
}

func (g *granting) deleteAll(t *rapid.T, tx store.Tx, live map[string]*kms.Grant) error {
	for _, x := range live {
		if err := g.Service.DeleteGrant(tx, g.within(t, tx), x); err != nil {
			return err
		}
	}
	return nil
}

// change commits changes.
func (g *granting) change(t *rapid.T, fn func(tx store.Tx) error) {
	if err := g.DB.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

// within is the key as a transaction sees it.
func (g *granting) within(t *rapid.T, tx store.Tx) *kms.Key {
	k, err := g.Service.KeyByID(context.Background(), tx, "eu-1", g.key)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// check has the records looked through.
func (g *granting) check(t *rapid.T) {
	err := g.DB.View(context.Background(), func(tx store.Tx) error {
		if problems := kms.Fsck(tx); len(problems) > 0 {
			return fmt.Errorf("%q", problems)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// modelPermits asks one grant.
func modelPermits(g *kms.Grant, q *kms.GrantQuestion) bool {
	if !slices.Contains(g.Operations, q.Action[len("kms:"):]) {
		return false
	}
	switch q.Action {
	case "kms:DescribeKey":
		return true
	case "kms:CreateGrant":
		for _, op := range q.Child.Operations {
			if !slices.Contains(g.Operations, op) {
				return false
			}
		}
		return q.Child.Within(g.Constraints)
	}
	return modelAllows(g.Constraints, q.Context)
}

// TestCrowdedBuckets: grants that share a pair are still found by the others, and
// grants that share all of them too.
func TestCrowdedBuckets(t *testing.T) {
	g := startGranting(t)
	const grantee, n = "AIDAAAAAAAAAAAAAAAAAA", 200
	for i := range n {
		_, _, err := g.create(kms.NewGrant{Grantee: grantee, Issuer: testkit.Account, GrantScope: kms.GrantScope{
			Operations:  []string{"Encrypt"},
			Constraints: kms.Constraints{Subset: map[string]string{"application": "the same, and longer than the id", "id": fmt.Sprint(i)}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range n + 1 {
		got, err := g.Service.Granted(t.Context(), g.now(t), grantee, &kms.GrantQuestion{Action: "kms:Encrypt", Context: map[string]string{
			"application": "the same, and longer than the id", "id": fmt.Sprint(i), "more": "x",
		}})
		if err != nil || got != (i < n) {
			t.Errorf("%d: %v, %v", i, got, err)
		}
	}
	largest := 0
	err := g.DB.View(t.Context(), func(tx store.Tx) error {
		buckets := map[string]int{}
		for path := range tx.Scan("kms/grant-form/", "") {
			bucket := path[:len(path)-33] // without the form
			buckets[bucket]++
			largest = max(largest, buckets[bucket])
		}
		return nil
	})
	if err != nil || largest > 32 {
		t.Errorf("a bucket of %d, %v", largest, err)
	}
}

// FuzzGrantToken: no text is taken for a token but one that the service made.
func FuzzGrantToken(f *testing.F) {
	g := startGranting(f)
	_, token, err := g.create(kms.NewGrant{Grantee: "AIDAAAAAAAAAAAAAAAAAA", Issuer: testkit.Account, GrantScope: kms.GrantScope{Operations: []string{"Encrypt"}}})
	if err != nil {
		f.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, "eu-1")
	f.Add(raw[:40], "eu-1")
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, b []byte, region string) {
		found, err := g.Service.GrantByToken(t.Context(), nil, region, base64.StdEncoding.EncodeToString(b))
		if genuine := slices.Equal(b, raw) && region == "eu-1"; genuine != (err == nil) || genuine != (found != nil) {
			t.Errorf("%x: %v, %v", b, found, err)
		}
	})
}

// FuzzMarker: no marker breaks a list or goes out of it.
func FuzzMarker(f *testing.F) {
	g := startGranting(f)
	for range 3 {
		if _, _, err := g.create(kms.NewGrant{Grantee: "AIDAAAAAAAAAAAAAAAAAA", Issuer: testkit.Account, GrantScope: kms.GrantScope{Operations: []string{"Encrypt"}}}); err != nil {
			f.Fatal(err)
		}
	}
	_, next, err := g.Service.ListGrants(f.Context(), g.now(f), "", kms.Page{Limit: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(next)
	f.Add("")
	f.Add("x")
	f.Fuzz(func(t *testing.T, marker string) {
		if len(marker) > 1024 {
			t.Skip("the server takes no longer ones")
		}
		grants, _, err := g.Service.ListGrants(t.Context(), g.now(t), "", kms.Page{Limit: 5, Marker: marker})
		if len(grants) > 3 || err != nil && len(grants) > 0 {
			t.Errorf("%d grants, %v", len(grants), err)
		}
		for _, x := range grants {
			if x.Key != g.key {
				t.Errorf("a grant on %s", x.Key)
			}
		}
		_, _, _ = g.now(t).ListTags(kms.Page{Limit: 5, Marker: marker})
	})
}
