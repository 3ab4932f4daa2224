package policy_test

import (
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/policy"
)

const (
	account = "111122223333"
	other   = "444455556666"
	keyARN  = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	alice   = "arn:aws:iam::111122223333:user/alice"
	bob     = "arn:aws:iam::444455556666:user/bob"
	ops     = "arn:aws:iam::111122223333:role/ops"
	session = "arn:aws:sts::111122223333:assumed-role/ops/sess1"
	guest   = "arn:aws:sts::111122223333:federated-user/guest"
	root    = "arn:aws:iam::111122223333:root"
)

// A situation is one question, written as statements. Its zero value: alice
// encrypts with a key of her account, and there are no policies.
type situation struct {
	who              *policy.Principal
	caller           string // ARN, if who is nil
	action, resource string
	facts            []policy.Fact

	key, trust                  string // statements of the resource policy
	identity, boundary, session string
	scp, rcp                    []string // a level each
	identityOnly                bool
	grant                       policy.Class
}

// Statements that many situations share.
const (
	allowAll    = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	allowKMS    = `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`
	allowS3     = `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`
	denyEncrypt = `{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}`
)

// named is a key policy's statement for a principal.
func named(effect policy.Effect, principal string) string {
	return `{"Effect":"` + string(effect) + `","Principal":{"AWS":"` + principal + `"},"Action":"kms:*","Resource":"*"}`
}

func document(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

func (s situation) ask(t testing.TB) (*policy.Request, *policy.Policies) {
	t.Helper()
	one := func(kind policy.Kind, statements string) *policy.Policy {
		if statements == "" {
			return nil
		}
		return load(t, kind, document(statements))
	}
	list := func(kind policy.Kind, statements string) (l []*policy.Policy) {
		if p := one(kind, statements); p != nil {
			l = append(l, p)
		}
		return l
	}
	in := &policy.Policies{
		Resource: one(policy.Key, s.key), IdentityOnly: s.identityOnly, Grant: s.grant,
		Identity: list(policy.Identity, s.identity), Boundary: one(policy.Boundary, s.boundary), Session: list(policy.Session, s.session),
	}
	if s.trust != "" {
		in.Resource = one(policy.Trust, s.trust)
	}
	for _, level := range s.scp {
		in.SCP = append(in.SCP, list(policy.SCP, level))
	}
	for _, level := range s.rcp {
		in.RCP = append(in.RCP, list(policy.RCP, level))
	}
	return s.request(), in
}

func (s situation) request() *policy.Request {
	if s.caller == "" {
		s.caller = alice
	}
	who := principalOf(s.caller)
	if s.who != nil {
		who = *s.who
	}
	if s.action == "" {
		s.action = "kms:Encrypt"
	}
	if s.resource == "" {
		s.resource = keyARN
	}
	return policy.NewRequest(who, policy.Target{Action: s.action, Resource: s.resource, Account: account, Region: "us-east-1"}, policy.NewContext(s.facts...))
}

func (s situation) decide(t testing.TB) policy.Decision {
	t.Helper()
	return policy.Decide(s.ask(t))
}

func (s situation) want(t *testing.T, want policy.Verdict) {
	t.Helper()
	if got := s.decide(t); got.Verdict != want {
		t.Errorf("%v by %v, want %v", got.Verdict, got.Layer, want)
	}
}

func (s situation) wantBy(t *testing.T, want policy.Verdict, by policy.Layer) {
	t.Helper()
	if got := s.decide(t); got.Verdict != want || got.Layer != by {
		t.Errorf("%v by %v, want %v by %v", got.Verdict, got.Layer, want, by)
	}
}

// matches reports whether an identity policy's statement with this body allows
// what it is asked; the key policy delegates.
func matches(t *testing.T, body string, facts ...policy.Fact) bool {
	t.Helper()
	return situation{key: named("Allow", root), identity: statement("Allow", body), facts: facts}.decide(t).Verdict == policy.Allowed
}

// statement completes a body with what it lacks of effect, action and resource.
func statement(effect, body string) string {
	for _, add := range []struct{ element, text string }{{"Resource", `"Resource":"*"`}, {"Action", `"Action":"kms:*"`}} {
		if !strings.Contains(body, `"`+add.element+`"`) && !strings.Contains(body, `"Not`+add.element+`"`) {
			body = strings.TrimSuffix(add.text+","+body, ",")
		}
	}
	return `{"Effect":"` + effect + `",` + body + `}`
}

func text(key, value string) policy.Fact { return policy.Fact{Key: key, Value: policy.Text(value)} }

func texts(key string, values ...string) policy.Fact {
	return policy.Fact{Key: key, Value: policy.List(values)}
}

func condition(operator, key, values string) string {
	return `"Condition":{"` + operator + `":{"` + key + `":` + values + `}}`
}

// A truth is a condition, or another body of a statement, and whether it matches.
type truth struct {
	body  string
	facts []policy.Fact
	want  bool
}

func check(t *testing.T, table []truth) {
	t.Helper()
	for _, c := range table {
		if got := matches(t, c.body, c.facts...); got != c.want {
			t.Errorf("%s with %v: %v, want %v", c.body, c.facts, got, c.want)
		}
	}
}

func facts(f ...policy.Fact) []policy.Fact { return f }
