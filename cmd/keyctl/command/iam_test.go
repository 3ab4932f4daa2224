package command_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

const policyARN = "arn:aws:iam::111122223333:policy/app"

// queryService speaks the query protocol of IAM and STS, with answers of the
// test's choice, and remembers what it was asked.
type queryService struct {
	answers map[string]any

	mu    sync.Mutex
	calls []url.Values
}

// serveQuery starts one and points this test's environment to it. An answer is
// an awsError, the inside of the result's XML, or a function of the form that
// returns one of these.
func serveQuery(t *testing.T, answers map[string]any) *queryService {
	t.Helper()
	isolate(t)
	s := &queryService{answers: answers}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	return s
}

func (s *queryService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	op := r.Form.Get("Action")
	s.mu.Lock()
	s.calls = append(s.calls, r.Form)
	answer := s.answers[op]
	s.mu.Unlock()
	if f, ok := answer.(func(url.Values) any); ok {
		answer = f(r.Form)
	}
	if op == "GetCallerIdentity" && answer == nil {
		answer = `<Arn>arn:aws:iam::111122223333:user/op</Arn><UserId>AIDAOP</UserId><Account>111122223333</Account>`
	}
	switch a := answer.(type) {
	case string:
		fmt.Fprintf(w, `<%[1]sResponse xmlns="x"><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>`, op, a)
	case awsError:
		w.Header().Set("X-Amzn-RequestId", "req-1")
		w.WriteHeader(a.status)
		fmt.Fprintf(w, `<ErrorResponse xmlns="x"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>req-1</RequestId></ErrorResponse>`, a.code, a.message)
	default:
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `<ErrorResponse><Error><Code>InvalidAction</Code><Message>`+op+`</Message></Error><RequestId>req-1</RequestId></ErrorResponse>`)
	}
}

// ops returns the operations called, in order.
func (s *queryService) ops() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, c := range s.calls {
		names = append(names, c.Get("Action"))
	}
	return strings.Join(names, " ")
}

// call returns the form of the last call of an operation.
func (s *queryService) call(t *testing.T, op string) url.Values {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.calls) {
		if c.Get("Action") == op {
			return c
		}
	}
	t.Fatalf("%s was not called", op)
	return nil
}

var noSuchEntity = awsError{404, "NoSuchEntity", "The user with name x cannot be found."}

const userXML = `<User><UserName>alice</UserName><UserId>AIDAALICE</UserId><Arn>arn:aws:iam::111122223333:user/alice</Arn>
	<Path>/</Path><CreateDate>2026-01-02T03:04:05Z</CreateDate></User>`

func TestUserCreate(t *testing.T) {
	s := serveQuery(t, map[string]any{"CreateUser": userXML})
	got := ok(t, "", "user", "create", "alice", "--tag", "b=2", "--tag", "a=1", "--boundary", policyARN)
	if !strings.Contains(got, "arn        arn:aws:iam::111122223333:user/alice\n") {
		t.Errorf("got\n%s", got)
	}
	form := s.call(t, "CreateUser")
	if form.Get("PermissionsBoundary") != policyARN || form.Get("Tags.member.1.Key") != "a" || form.Get("Tags.member.2.Value") != "2" || form.Has("Path") {
		t.Errorf("sent %v", form)
	}
}

func TestUserListReadsEveryPage(t *testing.T) {
	serveQuery(t, map[string]any{"ListUsers": func(form url.Values) any {
		user := strings.ReplaceAll(strings.ReplaceAll(userXML, "<User>", "<member>"), "</User>", "</member>")
		if form.Get("Marker") == "" {
			return `<Users>` + user + `</Users><IsTruncated>true</IsTruncated><Marker>m</Marker>`
		}
		return `<Users>` + strings.ReplaceAll(user, "alice", "bob") + `</Users><IsTruncated>false</IsTruncated>`
	}})
	got := ok(t, "", "user", "list")
	if strings.Count(got, "\n") != 3 || !strings.Contains(got, "\nbob ") {
		t.Errorf("got\n%s", got)
	}
}

// TestUserDeleteForce: access goes first, so that a deletion that stops halfway
// leaves a user who can do nothing.
func TestUserDeleteForce(t *testing.T) {
	s := serveQuery(t, map[string]any{
		"ListAccessKeys":           `<AccessKeyMetadata><member><UserName>alice</UserName><AccessKeyId>AKIAONE</AccessKeyId></member></AccessKeyMetadata><IsTruncated>false</IsTruncated>`,
		"DeleteAccessKey":          "",
		"ListMFADevices":           `<MFADevices><member><UserName>alice</UserName><SerialNumber>arn:aws:iam::111122223333:mfa/a</SerialNumber></member></MFADevices><IsTruncated>false</IsTruncated>`,
		"DeactivateMFADevice":      "",
		"ListGroupsForUser":        `<Groups><member><GroupName>g</GroupName></member></Groups><IsTruncated>false</IsTruncated>`,
		"RemoveUserFromGroup":      "",
		"ListAttachedUserPolicies": `<AttachedPolicies><member><PolicyName>app</PolicyName><PolicyArn>` + policyARN + `</PolicyArn></member></AttachedPolicies><IsTruncated>false</IsTruncated>`,
		"DetachUserPolicy":         "",
		"ListUserPolicies":         `<PolicyNames><member>own</member></PolicyNames><IsTruncated>false</IsTruncated>`,
		"DeleteUserPolicy":         "",
		"DeleteUser":               awsError{409, "DeleteConflict", "Cannot delete entity, must remove users from group first."},
	})
	fails(t, 7, "", []string{"user", "delete", "alice"}, "(DeleteConflict)", "--force")
	if s.ops() != "DeleteUser" {
		t.Errorf("without --force called %s", s.ops())
	}
	s.answers["DeleteUser"] = ""
	wantJSON(t, ok(t, "", "user", "delete", "alice", "--force", "-o", "json"), `{"UserName":"alice"}`)
	if want := "DeleteUser ListAccessKeys DeleteAccessKey ListMFADevices DeactivateMFADevice ListGroupsForUser RemoveUserFromGroup ListAttachedUserPolicies DetachUserPolicy ListUserPolicies DeleteUserPolicy DeleteUser"; s.ops() != want {
		t.Errorf("called %s", s.ops())
	}
}

// TestIdentityErrors: each code of IAM ends in a message, what to do next, and
// an exit code.
func TestIdentityErrors(t *testing.T) {
	for _, tc := range []struct {
		code, message string
		exit          int
		stderr        string
	}{
		{"NoSuchEntity", "The user with name x cannot be found.", 4, "hint: \"keyctl user list\""},
		{"EntityAlreadyExists", "User with name x already exists.", 7, "already exists (EntityAlreadyExists)"},
		{"MalformedPolicyDocument", "Syntax errors in policy.", 2, "keyctl policy lint"},
		{"InvalidAction", "Could not find operation", 1, "(InvalidAction)"},
		{"ValidationError", "1 validation error detected", 2, "hint: see --help"},
		{"ExpiredToken", "The security token included in the request is expired", 3, "hint: get a new session"},
	} {
		serveQuery(t, map[string]any{"CreateUser": awsError{400, tc.code, tc.message}})
		fails(t, tc.exit, "", []string{"user", "create", "x"}, tc.stderr)
	}
}

func TestDenialsSayWhatWouldAllow(t *testing.T) {
	const who = "User: arn:aws:iam::111122223333:user/eve is not authorized to perform: "
	for _, tc := range []struct{ message, hint string }{
		{who + "iam:CreateUser on resource: arn:aws:iam::111122223333:user/x because no identity-based policy allows the iam:CreateUser action",
			`hint: this statement would allow it, in an identity policy of the caller: {"Effect": "Allow", "Action": "iam:CreateUser", "Resource": "arn:aws:iam::111122223333:user/x"}`},
		{who + "kms:Decrypt on resource: " + keyARN + " because no resource-based policy allows the kms:Decrypt action",
			`{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:user/eve"}, "Action": "kms:Decrypt", "Resource": "*"}`},
		{who + "sts:AssumeRole on resource: arn:aws:iam::111122223333:role/r because no resource-based policy allows the sts:AssumeRole action",
			`keyctl role trust put): {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:user/eve"}, "Action": "sts:AssumeRole"}`},
		{who + "kms:Decrypt on resource: " + keyARN + " because no permissions boundary allows the kms:Decrypt action", "in the caller's permissions boundary"},
		{who + "kms:Decrypt on resource: " + keyARN + " with an explicit deny in a service control policy",
			"see the statement: keyctl policy simulate --principal arn:aws:iam::111122223333:user/eve --action kms:Decrypt --resource '" + keyARN + "'"},
	} {
		serveQuery(t, map[string]any{"CreateUser": awsError{403, "AccessDenied", tc.message}})
		fails(t, 3, "", []string{"user", "create", "x"}, tc.hint)
	}
}
