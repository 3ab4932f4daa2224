package policy_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/keyd-hsm/keyd/policy"
)

// FuzzParse: whatever is accepted is printed and parsed to the same, decides
// without a panic, and what may be saved may be loaded.
func FuzzParse(f *testing.F) {
	recorded, err := os.ReadFile("testdata/policy-grammar.json")
	if err != nil {
		f.Fatal(err)
	}
	var cases struct{ Valid []json.RawMessage }
	if err := json.Unmarshal(recorded, &cases); err != nil {
		f.Fatal(err)
	}
	for _, c := range cases.Valid {
		f.Add([]byte(c), byte(policy.Identity))
	}
	f.Add(policy.DefaultKeyPolicy(account), byte(policy.Key))
	f.Add([]byte(document(`{"Effect":"Deny","NotPrincipal":{"AWS":["`+alice+`"],"Service":"x"},"Action":"kms:*","Resource":"*"}`)), byte(policy.Key))
	f.Add([]byte(`{"Statement":{"Effect":"Allow","Principal":{"Federated":"x"},"Action":"sts:AssumeRole"}}`), byte(policy.Trust))
	f.Fuzz(func(t *testing.T, written []byte, k byte) {
		kind := policy.Kind(k % 7)
		saved, refused := policy.Parse(written, kind)
		p, err := policy.Load("", written, kind)
		if refused == nil && err != nil {
			t.Fatalf("may be saved but not loaded: %v", err)
		}
		if err != nil {
			return
		}
		again, err := policy.Load("", []byte(p.String()), kind)
		if err != nil {
			t.Fatalf("%v in\n%s", err, p)
		}
		if d := sameDocument(p, again); d != "" {
			t.Fatalf("printed as\n%s\n%s", p, d)
		}
		if refused == nil {
			if d := sameDocument(p, saved); d != "" {
				t.Fatalf("saved and loaded differ: %s", d)
			}
		}
		if same, err := p.Rebind(func(s string) (string, bool) { return s, true }); err != nil || string(same) != p.Text() {
			t.Fatalf("bound to the same names, it became %s, %v", same, err)
		}
		s := situation{caller: session, facts: facts(text("aws:username", "a"), texts("aws:TagKeys", "x"))}
		policy.Decide(s.request(), &policy.Policies{Resource: p, Identity: []*policy.Policy{p}, Boundary: p})
	})
}

// FuzzMatch holds StringLike against a regular expression made of the pattern.
func FuzzMatch(f *testing.F) {
	for _, c := range [][2]string{{"a*b?c", "axxbyc"}, {"*", ""}, {"?é*", "aéé"}, {"**a*a", "aaa"}, {"${a}*", "${a}"}, {"a*?", "a"}} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, pattern, value string) {
		if len(pattern) > 200 || len(value) > 1000 || !utf8.ValidString(pattern) || !utf8.ValidString(value) {
			return
		}
		quoted, err := json.Marshal(pattern)
		if err != nil {
			t.Fatal(err)
		}
		oracle := regexp.MustCompile(`(?s)\A` + strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern)) + `\z`)
		body := `{"Statement":` + statement("Allow", condition("StringLike", "k", string(quoted))) + `}`
		if len(body) > policy.MaxBytes {
			return
		}
		r := situation{facts: facts(text("k", value), text("a", "x"))}.request()
		ask := func(body string) bool {
			in := &policy.Policies{IdentityOnly: true, Identity: []*policy.Policy{load(t, policy.Identity, body)}}
			return policy.Decide(r, in).Verdict == policy.Allowed
		}
		if got, want := ask(body), oracle.MatchString(value); got != want {
			t.Fatalf("%q matches %q: %v, want %v", pattern, value, got, want)
		}
		with := ask(`{"Version":"2012-10-17",` + body[1:])
		if !strings.Contains(pattern, "${") && with != ask(body) {
			t.Fatalf("%q without variables: the version matters", pattern)
		}
	})
}
