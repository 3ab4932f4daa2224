package policy_test

import (
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/policy"
)

func TestVariables(t *testing.T) {
	const key = "arn:aws:kms:us-east-1:111122223333:key/"
	on := func(last string) string { return `"Resource":"` + key + last + `"` }
	name := facts(text("aws:username", "1234abcd-12ab-34cd-56ef-1234567890ab"))
	t.Run("4.8 where", func(t *testing.T) {
		check(t, []truth{
			{on("${aws:username}"), name, true}, {on("${AWS:UserName}"), name, true}, {on("${ aws:username }"), name, true}, {on("1*${aws:username}"), name, false},
			{`"Resource":"arn:aws:kms:${r}:111122223333:key/*"`, facts(text("r", "us-east-1")), false},
			{condition("StringEquals", "a", `"x-${b}-y"`), facts(text("a", "x-1-y"), text("b", "1")), true},
			{condition("StringEqualsIgnoreCase", "a", `"X-${b}"`), facts(text("a", "x-Y"), text("b", "y")), true},
			{condition("StringLike", "a", `"${b}/*"`), facts(text("a", "home/x"), text("b", "home")), true},
			{condition("ArnLike", "a", `"arn:aws:iam::${aws:x}:user/*"`), facts(text("a", alice), text("aws:x", account)), true},
			{condition("ArnNotLike", "a", `"arn:aws:iam::${aws:x}:user/*"`), facts(text("a", alice), text("aws:x", account)), false},
			{condition("Bool", "a", `"${b}"`), facts(text("a", "true"), text("b", "true")), false},
			{condition("StringEquals", "a", `"${unclosed"`), facts(text("a", "${unclosed")), true},
		})
	})
	t.Run("4.8 version", func(t *testing.T) {
		body := statement("Allow", condition("StringEquals", "a", `"${b}"`))
		for version, want := range map[string]policy.Verdict{
			`"Version":"2012-10-17",`: policy.Allowed, `"Version":"2008-10-17",`: policy.ImplicitlyDenied, "": policy.ImplicitlyDenied,
		} {
			r, in := situation{key: named("Allow", root), facts: facts(text("a", "x"), text("b", "x"))}.ask(t)
			in.Identity = []*policy.Policy{load(t, policy.Identity, "{"+version+`"Statement":`+body+"}")}
			if got := policy.Decide(r, in).Verdict; got != want {
				t.Errorf("version %q: %v", version, got)
			}
		}
	})
	t.Run("4.8 literals and defaults", func(t *testing.T) {
		check(t, []truth{
			{condition("StringLike", "a", `"a${*}"`), facts(text("a", "a*")), true}, {condition("StringLike", "a", `"a${*}"`), facts(text("a", "ab")), false},
			{condition("StringLike", "a", `"${?}${$}*"`), facts(text("a", "?$b")), true}, {condition("StringEquals", "a", `"${*}"`), facts(text("a", "*")), true},
			{condition("StringEquals", "a", `"${b, 'x y'}"`), facts(text("a", "x y")), true}, {condition("StringEquals", "a", `"${b,'x'}"`), facts(text("a", "y"), text("b", "y")), true},
			{condition("StringEquals", "a", `"${b, x}"`), facts(text("a", "x")), false}, {condition("StringLike", "a", `"${b, '*'}"`), facts(text("a", "x")), false},
			{on("${b, '1234abcd-12ab-34cd-56ef-1234567890ab'}"), nil, true},
		})
	})
	t.Run("4.8 single-valued", func(t *testing.T) {
		check(t, []truth{{condition("StringEquals", "a", `"${b}"`), facts(text("a", "x"), texts("b", "x")), false}})
		check(t, []truth{{condition("StringEquals", "a", `"${b}"`), facts(text("a", ""), texts("b", "x")), false}})
	})
	t.Run("4.9 without a value", func(t *testing.T) {
		check(t, []truth{
			{on("${b}"), nil, false}, {on("*${b}"), nil, false}, {condition("StringEquals", "a", `"${b}"`), facts(text("a", "")), false},
			{condition("StringNotEquals", "a", `"${b}"`), facts(text("a", "x")), true}, {condition("StringNotLike", "a", `"*${b}"`), facts(text("a", "x")), true},
			{condition("StringLike", "a", `["${b}","x"]`), facts(text("a", "x")), true},
		})
	})
	t.Run("4.8 substituted text is literal", func(t *testing.T) {
		check(t, []truth{
			{on("${b}"), facts(text("b", "*")), false}, {condition("StringLike", "a", `"${b}"`), facts(text("a", "x"), text("b", "*")), false},
			{condition("StringLike", "a", `"${b}"`), facts(text("a", "${c}"), text("b", "${c}"), text("c", "x")), true},
		})
	})
	t.Run("4.10 never into the text", func(t *testing.T) {
		inject := facts(text("b", `x"},{"Effect":"Allow","Action":"*","Resource":"*`), text("a", "x"))
		check(t, []truth{{condition("StringEquals", "a", `"${b}"`), inject, false}, {on("${b}"), inject, false}})
	})
}

// Wildcards cost no more than the product of the lengths: this would not end if
// every * were tried again.
func TestWildcardsAreBounded(t *testing.T) {
	like := condition("StringLike", "a", `"`+strings.Repeat("*a", 2000)+`b"`)
	check(t, []truth{
		{like, facts(text("a", strings.Repeat("a", 8000))), false},
		{like, facts(text("a", strings.Repeat("a", 8000)+"b")), true},
		{condition("StringLike", "a", `"*`+strings.Repeat("a?", 1000)+`b"`), facts(text("a", strings.Repeat("a", 8000))), false},
	})
}

// Parsing takes time in proportion to the text, whatever stands in it. Where it
// took the square, these would take minutes.
func TestParsingIsBounded(t *testing.T) {
	fill := func(begin, unit, end string) string {
		return begin + strings.Repeat(unit, (policy.MaxBytes-len(begin)-len(end))/len(unit)) + end
	}
	like := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"ArnLike":{"a":"arn:`
	many := `{"Version":"2012-10-17","Statement":[` + allowAll
	for name, text := range map[string]string{
		"open variables":  fill(like, "${", `"}}}}`),
		"variables":       fill(like, "${a}", `"}}}}`),
		"wildcards":       fill(like, "*?", `"}}}}`),
		"statements":      fill(many, ","+allowAll, "]}"),
		"deep":            fill(`{"Statement":`, "[", ""),
		"deep in unknown": fill(`{"X":`, `{"a":`, ""),
		"long name":       fill(`{"`, "a", `":1}`),
	} {
		p, err := policy.Load(name, []byte(text), policy.Identity)
		if deep := strings.HasPrefix(name, "deep") || name == "long name"; deep != (err != nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && len(err.Error()) > 500 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
		if err == nil {
			policy.Decide(situation{}.request(), &policy.Policies{Identity: []*policy.Policy{p}})
		}
	}
}
