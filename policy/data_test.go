package policy_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/policy"
)

// A recorded case of iam-cases.jsonl.
type iamCase struct {
	ID      string
	Expect  *string
	Request struct {
		Principal, Action, Resource, ResourceAccount string
		Context                                      map[string]any
	}
	IdentityPolicies   []json.RawMessage
	ResourcePolicy     json.RawMessage
	PermissionBoundary json.RawMessage
	SessionPolicy      json.RawMessage
	SCPs               [][]json.RawMessage
	RCPs               [][]json.RawMessage
}

// What the recording leaves open, our rules decide.
var ours = map[string]policy.Verdict{
	"notprincipal-session-needs-session-arn": policy.ExplicitlyDenied, // 2.5
	"c-ec-key-case":                          policy.Allowed,          // 4.2
	"forall-empty-string":                    policy.Allowed,          // 4.5
}

func TestIAMCases(t *testing.T) {
	f, err := os.Open("testdata/iam-cases.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var c iamCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		t.Run(c.ID, func(t *testing.T) {
			want := ours[c.ID].String()
			if c.Expect != nil {
				want = *c.Expect
			}
			r, in := c.question(t)
			if got := policy.Decide(r, in); got.Verdict.String() != want {
				t.Errorf("%v by %v, want %v", got.Verdict, got.Layer, want)
			}
		})
	}
	if n != 70 {
		t.Errorf("%d cases, want 70", n)
	}
}

func (c *iamCase) question(t *testing.T) (*policy.Request, *policy.Policies) {
	t.Helper()
	one := func(kind policy.Kind, text json.RawMessage) *policy.Policy {
		if text == nil {
			return nil
		}
		return load(t, kind, string(text))
	}
	levels := func(kind policy.Kind, texts [][]json.RawMessage) (all [][]*policy.Policy) {
		for _, level := range texts {
			var list []*policy.Policy
			for _, text := range level {
				list = append(list, one(kind, text))
			}
			all = append(all, list)
		}
		return all
	}
	kind := policy.Key
	if strings.HasPrefix(c.Request.Action, "sts:") {
		kind = policy.Trust
	}
	in := &policy.Policies{
		SCP: levels(policy.SCP, c.SCPs), RCP: levels(policy.RCP, c.RCPs),
		Resource: one(kind, c.ResourcePolicy), Boundary: one(policy.Boundary, c.PermissionBoundary),
		IdentityOnly: c.Request.Action == "kms:CreateKey" || strings.Contains(c.Request.Resource, ":alias/"),
	}
	for _, text := range c.IdentityPolicies {
		in.Identity = append(in.Identity, one(policy.Identity, text))
	}
	if c.SessionPolicy != nil {
		in.Session = append(in.Session, one(policy.Session, c.SessionPolicy))
	}
	var facts []policy.Fact
	for k, v := range c.Request.Context {
		switch v := v.(type) {
		case string:
			facts = append(facts, policy.Fact{Key: k, Value: policy.Text(v)})
		case []any:
			var list []string
			for _, x := range v {
				list = append(list, x.(string))
			}
			facts = append(facts, policy.Fact{Key: k, Value: policy.List(list)})
		default:
			t.Fatalf("context %q has a value of type %T", k, v)
		}
	}
	target := policy.Target{Action: c.Request.Action, Resource: c.Request.Resource, Account: c.Request.ResourceAccount, Region: "us-east-1"}
	return policy.NewRequest(principalOf(c.Request.Principal), target, policy.NewContext(facts...)), in
}

// principalOf knows callers by their ARN.
func principalOf(arn string) policy.Principal {
	part := strings.SplitN(arn, ":", 6)
	p := policy.Principal{Account: part[4], ARN: arn}
	name := strings.Split(part[5], "/")
	switch name[0] {
	case "root":
		p.Kind = policy.Root
	case "user":
		p.Kind = policy.User
	case "assumed-role":
		p.Kind, p.ParentARN = policy.RoleSession, "arn:aws:iam::"+part[4]+":role/"+name[1]
	case "federated-user":
		p.Kind, p.ParentARN = policy.FederatedUser, "arn:aws:iam::"+part[4]+":user/federator"
	}
	return p
}

func load(t testing.TB, kind policy.Kind, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Load("test", []byte(text), kind)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestGrammar(t *testing.T) {
	text, err := os.ReadFile("testdata/policy-grammar.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases struct {
		Invalid []struct {
			Document json.RawMessage
			Message  string `json:"error_message"`
		}
		Valid []json.RawMessage
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases.Invalid) != 78 || len(cases.Valid) != 54 {
		t.Errorf("%d refused and %d accepted, want 78 and 54", len(cases.Invalid), len(cases.Valid))
	}
	for _, c := range cases.Invalid {
		document := []byte(c.Document)
		var plain string
		if json.Unmarshal(document, &plain) == nil { // one of them is no JSON
			document = []byte(plain)
		}
		_, err := policy.Parse(document, policy.Identity)
		refused, ok := errors.AsType[*policy.Error](err)
		if !ok || refused.Reason != c.Message || refused.Code() != "MalformedPolicyDocument" {
			t.Errorf("%s\n got %v\nwant %s", document, err, c.Message)
		}
	}
	for _, document := range cases.Valid {
		if _, err := policy.Parse(document, policy.Identity); err != nil {
			t.Errorf("%s\nrefused: %v", document, err)
		}
	}
}
