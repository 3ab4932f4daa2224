package policy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/keyd-hsm/keyd/policy"
)

// A world is a random question; each element of a layer is a policy, a list of
// its statements. The vocabulary is small, so that statements often match.
type world struct {
	situation
	scp                            [][][]string
	resource                       []string
	identities, boundaries, passed [][]string
}

func drawStatement(t *rapid.T, effect policy.Effect, principals bool) string {
	pick := func(label string, choices ...string) string { return rapid.SampledFrom(choices).Draw(t, label) }
	s := map[string]json.RawMessage{"Effect": json.RawMessage(`"` + string(effect) + `"`)}
	action := pick("action form", "Action", "Action", "Action", "NotAction")
	s[action] = json.RawMessage(pick("action", `"*"`, `"kms:*"`, `"kms:Encrypt"`, `"KMS:Enc*"`, `["kms:Decrypt","kms:Encrypt"]`, `"kms:Decrypt"`))
	resource := pick("resource form", "Resource", "Resource", "Resource", "NotResource")
	s[resource] = json.RawMessage(pick("resource", `"*"`, `"`+keyARN+`"`, `"arn:aws:kms:*:*:key/1*"`, `["arn:aws:kms:*:*:key/f*","arn:aws:kms:*:*:${d}"]`))
	if principals {
		s["Principal"] = json.RawMessage(`{"AWS":["` + pick("principal", "*", alice, root, session, ops, bob, other) + `"]}`)
		if effect == policy.Deny && pick("not", "", "", "Not") != "" {
			s["NotPrincipal"] = s["Principal"]
			delete(s, "Principal")
		}
	}
	if operator := pick("operator", "", "StringEquals", "StringNotEquals", "StringLikeIfExists", "ForAllValues:StringEquals", "ForAnyValue:StringNotEquals", "Null", "StringFoo"); operator != "" {
		s["Condition"] = json.RawMessage(`{"` + operator + `":{"` + pick("key", "a", "A", "b", "list") + `":["` + pick("value", "true", "x", "x*", "${a}") + `"]}}`)
	}
	text, _ := json.Marshal(s)
	return string(text)
}

func drawPolicy(t *rapid.T, principals bool) []string {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
		// Mostly Allow, or nearly everything is denied and the properties say little.
		effect := rapid.SampledFrom([]policy.Effect{policy.Allow, policy.Allow, policy.Allow, policy.Allow, policy.Allow, policy.Deny}).Draw(t, "effect")
		return drawStatement(t, effect, principals)
	}), 1, 4).Draw(t, "policy")
}

func drawWorld(t *rapid.T) *world {
	policies := func(label string, principals bool, most int) [][]string {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []string { return drawPolicy(t, principals) }), 0, most).Draw(t, label)
	}
	w := &world{identities: policies("identity", false, 3), boundaries: policies("boundary", false, 1), passed: policies("session", false, 2)}
	for range rapid.IntRange(0, 2).Draw(t, "levels") {
		w.scp = append(w.scp, append(policies("scp", false, 2), []string{allowAll}))
	}
	w.resource = drawPolicy(t, true)
	w.caller = rapid.SampledFrom([]string{alice, session, root, bob, guest}).Draw(t, "caller")
	w.grant = policy.Class(rapid.IntRange(0, 3).Draw(t, "grant"))
	w.facts = facts(text("a", rapid.SampledFrom([]string{"x", "y", "true"}).Draw(t, "a")), texts("list", rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y"}), 0, 2).Draw(t, "list")...))
	if rapid.Bool().Draw(t, "clash") {
		w.facts = append(w.facts, text("A", "x"))
	}
	return w
}

// decide asks the world; write gives the text of a policy.
func (w *world) decide(t *rapid.T, write func(statements []string) string) policy.Verdict {
	one := func(kind policy.Kind, statements []string) *policy.Policy {
		p, err := policy.Load("", []byte(write(statements)), kind)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	list := func(kind policy.Kind, texts [][]string) (l []*policy.Policy) {
		for _, statements := range texts {
			l = append(l, one(kind, statements))
		}
		return l
	}
	in := &policy.Policies{Resource: one(policy.Key, w.resource), Grant: w.grant, Identity: list(policy.Identity, w.identities), Session: list(policy.Session, w.passed)}
	for _, level := range w.scp {
		in.SCP = append(in.SCP, list(policy.SCP, level))
	}
	if len(w.boundaries) > 0 {
		in.Boundary = one(policy.Boundary, w.boundaries[0])
	}
	return policy.Decide(w.request(), in).Verdict
}

func plain(statements []string) string { return document(strings.Join(statements, ",")) }

// layers are the policies to which a statement can be added.
func (w *world) layers() (all []*[]string) {
	for _, l := range [][][]string{w.identities, w.boundaries, w.passed} {
		for i := range l {
			all = append(all, &l[i])
		}
	}
	for _, level := range w.scp {
		for i := range level {
			all = append(all, &level[i])
		}
	}
	return append(all, &w.resource)
}

// add adds a statement somewhere, perhaps as an identity policy of its own.
func (w *world) add(t *rapid.T, effect policy.Effect) {
	all := w.layers()
	i := rapid.IntRange(0, len(all)).Draw(t, "layer")
	switch {
	case i == len(all):
		w.identities = append(w.identities, []string{drawStatement(t, effect, false)})
	default:
		*all[i] = append(*all[i], drawStatement(t, effect, all[i] == &w.resource))
	}
}

func TestProperties(t *testing.T) {
	t.Run("1.1 adding a Deny never allows more", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			w := drawWorld(t)
			before := w.decide(t, plain)
			w.add(t, policy.Deny)
			if after := w.decide(t, plain); before != policy.Allowed && after == policy.Allowed {
				t.Fatalf("%v became %v", before, after)
			}
		})
	})
	t.Run("1.1 adding an Allow never denies more", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			w := drawWorld(t)
			before := w.decide(t, plain)
			w.add(t, policy.Allow)
			if after := w.decide(t, plain); before == policy.Allowed && after != policy.Allowed {
				t.Fatalf("%v became %v", before, after)
			}
		})
	})
	t.Run("1.3 order never matters", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			w := drawWorld(t)
			before := w.decide(t, plain)
			for _, statements := range w.layers() {
				*statements = rapid.Permutation(*statements).Draw(t, "statements")
			}
			for _, policies := range append([]*[][]string{&w.identities, &w.passed}, w.levels()...) {
				*policies = rapid.Permutation(*policies).Draw(t, "policies")
			}
			if after := w.decide(t, plain); after != before {
				t.Fatalf("%v became %v", before, after)
			}
		})
	})
	t.Run("3.1 formatting never matters", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			w := drawWorld(t)
			if a, b := w.decide(t, plain), w.decide(t, scrawled); a != b {
				t.Fatalf("%v became %v", a, b)
			}
		})
	})
}

func (w *world) levels() (all []*[][]string) {
	for i := range w.scp {
		all = append(all, &w.scp[i])
	}
	return all
}

// scrawled writes the same policy with other spacing, escapes and order of elements.
func scrawled(statements []string) string {
	escape := strings.NewReplacer(`kms`, `\u006bms`, `Enc`, `E\u006ec`, `,`, "\r\n,\t", `:{`, " : { ", `Effect`, `Ef\u0066ect`)
	return "\n{\"Statement\" :\t[" + escape.Replace(strings.Join(statements, ",")) + `],"Id":"x","Version":"2012-10-17"}` + "\n"
}

// sameDocument compares all that was written, but not where it stood.
func sameDocument(p, q *policy.Policy) string {
	return cmp.Diff(p, q, cmpopts.IgnoreUnexported(policy.Policy{}, policy.Statement{}, policy.PrincipalEntry{}),
		cmpopts.IgnoreFields(policy.Statement{}, "Line", "Column"))
}

func TestPrint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, err := policy.Load("", []byte(plain(drawPolicy(t, true))), policy.Key)
		if err != nil {
			t.Fatal(err)
		}
		q, err := policy.Load("", []byte(p.String()), policy.Key)
		if err != nil {
			t.Fatalf("%v in\n%s", err, p)
		}
		if d := sameDocument(p, q); d != "" || p.String() != q.String() {
			t.Fatalf("printed as\n%s\n%s", p, d)
		}
	})
}
