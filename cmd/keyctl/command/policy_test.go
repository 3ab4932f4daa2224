package command_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
)

const (
	goodPolicy = `{"Version": "2012-10-17", "Statement": [
  {"Sid": "A", "Effect": "Allow", "Action": ["kms:Decrypt", "kms:List*", "kms:Frobnicate"], "Resource": "*"},
  {"Effect": "Deny", "Action": "iam:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}`
	badPolicy   = "{\"Version\": \"2012-10-17\",\n \"Statement\": {\"Effect\": \"Maybe\", \"Action\": \"kms:*\", \"Resource\": \"*\"}}"
	trustPolicy = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}`
)

func TestPolicyLint(t *testing.T) {
	isolate(t)
	good, bad, trust := writeTemp(t, "good.json", goodPolicy), writeTemp(t, "bad.json", badPolicy), writeTemp(t, "trust.json", trustPolicy)
	if got := ok(t, "", "policy", "lint", good); got != "" {
		t.Errorf("got %q", got)
	}
	ok(t, "", "policy", "lint", "--kind", "trust", trust)
	ok(t, goodPolicy, "policy", "lint", "--kind", "boundary")
	wantJSON(t, ok(t, goodPolicy, "policy", "lint", "-o", "json"), `{"Valid":true,"Findings":[]}`)

	r := keyctl("", "policy", "lint", good, bad, trust)
	if r.code != 2 || !strings.HasPrefix(r.stdout, bad+":2:") || strings.Count(r.stdout, "\n") != 2 || !strings.Contains(r.stderr, "2 of 3: not accepted as identity policy") {
		t.Errorf("%+v", r)
	}
	r = keyctl("", "policy", "lint", bad, "-o", "json")
	if r.code != 2 || !strings.Contains(r.stdout, `"Line": 2`) || !strings.Contains(r.stdout, `"Valid": false`) {
		t.Errorf("%+v", r)
	}
	fails(t, 4, "", []string{"policy", "lint", bad + ".none"}, "no such file")
	fails(t, 2, "", []string{"policy", "lint", "--kind", "poem", good}, "must be one of identity, key, trust")
	fails(t, 2, strings.Repeat(" ", 200_000), []string{"policy", "lint"}, "more than 131,072 bytes")
}

// TestPolicyLintWarnsOfLockout: a key policy that names only some is accepted,
// but said to be dangerous.
func TestPolicyLintWarnsOfLockout(t *testing.T) {
	isolate(t)
	statement := func(principal string) string {
		return `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": ` + principal + `, "Action": "kms:*", "Resource": "*"}}`
	}
	const warning = "standard input: warning: no statement allows anything to the account"
	for principal, warned := range map[string]bool{
		`{"AWS": "arn:aws:iam::111122223333:root"}`: false, `{"AWS": "111122223333"}`: false, `"*"`: false,
		`{"AWS": "arn:aws:iam::111122223333:user/alice"}`: true,
	} {
		if got := ok(t, statement(principal), "policy", "lint", "--kind", "key"); strings.HasPrefix(got, warning) != warned {
			t.Errorf("%s: %q", principal, got)
		}
	}
	serve(t, map[string]any{"DescribeKey": described("Enabled"), "PutKeyPolicy": map[string]any{}})
	alice := statement(`{"AWS": "arn:aws:iam::111122223333:user/alice"}`)
	if r := keyctl(alice, "key", "policy", "put", keyID); r.code != 0 || !strings.HasPrefix(r.stderr, "warning: policy standard input: no statement") {
		t.Errorf("put: %+v", r)
	}
	if got := ok(t, alice, "policy", "lint", "--kind", "key", "-o", "json"); !strings.Contains(got, `"Valid": true`) || !strings.Contains(got, `"Warnings"`) {
		t.Errorf("got %s", got)
	}
}

func TestPolicySummary(t *testing.T) {
	isolate(t)
	lines := strings.Split(ok(t, goodPolicy, "policy", "summary"), "\n")
	for i, want := range []string{
		"EFFECT LEVEL ACTIONS RESOURCES CONDITIONS",
		"Allow List all of kms * -",
		"Allow Write kms:Decrypt * -",
		"Allow no such action kms:Frobnicate * -",
		"Deny List all of iam * aws:SecureTransport Bool [false]",
		"Deny Read all of iam *",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); !strings.HasPrefix(got, want) {
			t.Errorf("line %d: %s, want %s", i, got, want)
		}
	}
	if last := lines[len(lines)-2]; !strings.HasSuffix(last, "aws:SecureTransport Bool [false]") || !strings.Contains(last, "Tagging") {
		t.Errorf("last line %s", last)
	}
	all := ok(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, "policy", "summary")
	if strings.Count(all, " all ") != 5 || strings.Contains(all, "no such") {
		t.Errorf("of everything:\n%s", all)
	}
	none := ok(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":["kms:*","iam:*","sts:*"],"Resource":"*"}}`, "policy", "summary", "-o", "json")
	if !strings.Contains(none, `"cloudtrail:LookupEvents"`) || strings.Contains(none, `"kms:`) {
		t.Errorf("of NotAction: %s", none)
	}
	some := ok(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["KMS:re?ncryptFrom","kms:*Key","iam:PassRole"],"Resource":"*"}}`, "policy", "summary")
	if !strings.Contains(some, "Read    kms:DescribeKey kms:GetPublicKey ") || !strings.Contains(some, "iam:PassRole kms:CreateKey kms:DisableKey kms:EnableKey and ") ||
		strings.Contains(some, "no such action") {
		t.Errorf("of some:\n%s", some)
	}
	fails(t, 2, badPolicy, []string{"policy", "summary"}, "error: standard input:2:")
}

// TestMatchesAction: as a regular expression would.
func TestMatchesAction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[abAB*?]{0,8}`).Draw(t, "pattern")
		name := rapid.StringMatching(`[ab:]{0,8}`).Draw(t, "name")
		like := regexp.MustCompile(`(?i)^` + strings.NewReplacer("*", ".*", "?", ".").Replace(pattern) + `$`)
		if command.MatchesAction(pattern, name) != like.MatchString(name) {
			t.Errorf("want %v", like.MatchString(name))
		}
	})
}

// TestPolicyNames: a name is one of the account's own policies first, then one
// that every account has.
func TestPolicyNames(t *testing.T) {
	s := serveQuery(t, map[string]any{
		"GetPolicy": func(form url.Values) any {
			if strings.HasPrefix(form.Get("PolicyArn"), "arn:aws:iam::aws:policy/ReadOnly") || form.Get("PolicyArn") == policyARN {
				return `<Policy><PolicyName>x</PolicyName></Policy>`
			}
			return noSuchEntity
		},
		"AttachUserPolicy": "",
	})
	for name, want := range map[string]string{
		"app": policyARN, "ReadOnlyAccess": "arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::1:policy/any": "arn:aws:iam::1:policy/any",
	} {
		ok(t, "", "policy", "attach", name, "--user", "alice")
		if got := s.call(t, "AttachUserPolicy").Get("PolicyArn"); got != want {
			t.Errorf("%s: attached %s", name, got)
		}
	}
	fails(t, 4, "", []string{"policy", "attach", "nothing", "--user", "alice"}, "policy nothing: not found", "keyctl policy list")
	fails(t, 2, "", []string{"policy", "attach", "app"}, "user", "group", "role")
	fails(t, 2, "", []string{"policy", "attach", "app", "--user", "a", "--role", "b"}, "hint: ")
}

// TestPolicyDeleteInUse: the versions of a policy that somebody has stay.
func TestPolicyDeleteInUse(t *testing.T) {
	count := "1"
	s := serveQuery(t, map[string]any{
		"GetPolicy": func(url.Values) any {
			return `<Policy><Arn>` + policyARN + `</Arn><AttachmentCount>` + count + `</AttachmentCount></Policy>`
		},
		"ListPolicyVersions": `<Versions><member><VersionId>v2</VersionId><IsDefaultVersion>true</IsDefaultVersion></member>
			<member><VersionId>v1</VersionId><IsDefaultVersion>false</IsDefaultVersion></member></Versions><IsTruncated>false</IsTruncated>`,
		"DeletePolicyVersion": "", "DeletePolicy": "",
	})
	fails(t, 7, "", []string{"policy", "delete", policyARN}, "in use 1 times; nothing was deleted", "keyctl policy detach")
	if s.ops() != "GetPolicy" {
		t.Errorf("called %s", s.ops())
	}
	count = "0"
	ok(t, "", "policy", "delete", policyARN)
	if s.call(t, "DeletePolicyVersion").Get("VersionId") != "v1" || !strings.HasSuffix(s.ops(), "DeletePolicyVersion DeletePolicy") {
		t.Errorf("called %s", s.ops())
	}
}

// TestPolicyFilesAreChecked: what keyd would refuse is not sent.
func TestPolicyFilesAreChecked(t *testing.T) {
	s := serveQuery(t, nil)
	bad := writeTemp(t, "bad.json", badPolicy)
	for _, args := range [][]string{
		{"policy", "create", "p", bad}, {"policy", "update", "p", bad}, {"policy", "put-inline", "p", bad, "--user", "u"},
		{"role", "create", "r", "--trust", bad}, {"role", "trust", "put", "r", bad}, {"assume-role", "r", "--policy", bad},
	} {
		fails(t, 2, "", args, "error: "+bad+":2:", "keyctl policy lint")
	}
	if s.ops() != "" {
		t.Errorf("called %s", s.ops())
	}
}

func TestPolicySimulate(t *testing.T) {
	s := serveQuery(t, map[string]any{
		"SimulatePrincipalPolicy": `<EvaluationResults><member><EvalActionName>kms:Decrypt</EvalActionName><EvalResourceName>*</EvalResourceName>
			<EvalDecision>allowed</EvalDecision><MatchedStatements><member><SourcePolicyId>user_alice_own</SourcePolicyId><SourcePolicyType>user</SourcePolicyType>
			<StartPosition><Line>2</Line><Column>3</Column></StartPosition><EndPosition><Line>2</Line><Column>9</Column></EndPosition></member></MatchedStatements>
			<MissingContextValues><member>aws:SourceIp</member></MissingContextValues></member></EvaluationResults><IsTruncated>false</IsTruncated>`,
		"ListGroupsForUser":        `<Groups></Groups><IsTruncated>false</IsTruncated>`,
		"ListAttachedUserPolicies": `<AttachedPolicies></AttachedPolicies><IsTruncated>false</IsTruncated>`,
		"GetUserPolicy":            `<PolicyDocument>` + url.PathEscape(goodPolicy) + `</PolicyDocument>`,
	})
	args := []string{"policy", "simulate", "--principal", "user/alice", "--action", "kms:Decrypt",
		"--context", "aws:SourceIp=10.0.0.1", "--context", "x:y=1", "--context", "x:y=2"}
	got := ok(t, "", args...)
	for _, want := range []string{"kms:Decrypt on *: allowed\n", "  user policy user_alice_own, line 2, column 3:\n     2 |   {\"Sid\": \"A\",", "not known, see --context: aws:SourceIp\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	form := s.call(t, "SimulatePrincipalPolicy")
	for name, want := range map[string]string{
		"PolicySourceArn":                        "arn:aws:iam::111122223333:user/alice",
		"ContextEntries.member.1.ContextKeyType": "ip",
		"ContextEntries.member.2.ContextKeyType": "stringList", "ContextEntries.member.2.ContextKeyValues.member.2": "2",
	} {
		if form.Get(name) != want {
			t.Errorf("%s: %s", name, form.Get(name))
		}
	}
	if got := ok(t, "", append(args, "-o", "json")...); !strings.Contains(got, `"EvalDecision": "allowed"`) {
		t.Errorf("got %s", got)
	}
	ok(t, "", "policy", "simulate", "--principal", "arn:aws:sts::111122223333:assumed-role/r/s", "--action", "kms:Decrypt", "-o", "json")
	if got := s.call(t, "SimulatePrincipalPolicy").Get("PolicySourceArn"); got != "arn:aws:iam::111122223333:role/r" {
		t.Errorf("a session was simulated as %s", got)
	}
	fails(t, 2, "", []string{"policy", "simulate", "--principal", "alice", "--action", "kms:Decrypt"}, "user/NAME")
}
