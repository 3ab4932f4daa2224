package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/api/stsapi"
	"github.com/keyd-hsm/keyd/api/trailapi"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/server"
)

// TestEveryOperation walks the model: each operation is in the routes table or
// answered as unsupported, a stranger is refused, and each call leaves exactly
// one audit event.
func TestEveryOperation(t *testing.T) {
	kit := testkit.Start(t)
	served := make(map[string]bool)
	for _, name := range server.Served() {
		served[name] = true
	}
	known := 0
	for _, svc := range []*api.Service{kmsapi.Service, stsapi.Service, iamapi.Service, trailapi.Service, mfaapi.Service} {
		for _, op := range svc.Operations {
			known++
			name := svc.ID + "." + op.Name
			delete(served, name)
			t.Run(name, func(t *testing.T) {
				stranger(t, kit, op)
				signedByRoot(t, kit, op)
			})
		}
	}
	if len(served) > 0 || known < 240 {
		t.Errorf("rows without an operation of the model: %v (%d operations known)", served, known)
	}
}

func stranger(t *testing.T, kit *testkit.Kit, op api.Operation) {
	t.Helper()
	status, code, event := exchange(t, kit, newRequest(t, kit, op), op)
	if status < 400 || status >= 500 {
		t.Errorf("stranger: HTTP %d", status)
	}
	switch code {
	case "MissingAuthenticationTokenException", "MissingAuthenticationToken":
	case kmsUnsupported, "InvalidAction":
		if !op.NoAuth {
			t.Errorf("stranger learns that the operation is not served: %s", code)
		}
	case "ValidationError":
		if !op.NoAuth { // an operation without signature asks for its parameters
			t.Errorf("stranger: %s", code)
		}
	default:
		t.Errorf("stranger: %s", code)
	}
	if event.ErrorCode != code || event.EventName != op.Name {
		t.Errorf("stranger's event: %s %s, answer %s", event.EventName, event.ErrorCode, code)
	}
}

const kmsUnsupported = "UnsupportedOperationException"

func signedByRoot(t *testing.T, kit *testkit.Kit, op api.Operation) {
	t.Helper()
	r := newRequest(t, kit, op)
	kit.Sign(r, []byte(bodyOf(op)), op.Service.SigningName, "eu-1")
	status, code, event := exchange(t, kit, r, op)
	isServed := false
	for _, name := range server.Served() {
		isServed = isServed || name == op.Service.ID+"."+op.Name
	}
	switch {
	case status >= 500:
		t.Errorf("HTTP %d %s", status, code)
	case !isServed && code != kmsUnsupported && code != "InvalidAction":
		t.Errorf("not served, yet answered %d %s", status, code)
	case isServed && (code == kmsUnsupported || code == "InvalidAction"):
		t.Errorf("served, yet answered %s", code)
	}
	if event.ErrorCode != code || event.EventName != op.Name {
		t.Errorf("event: %s %q, answer %q", event.EventName, event.ErrorCode, code)
	}
	if !op.NoAuth && event.UserIdentity.Type != "Root" {
		t.Errorf("event of %+v", event.UserIdentity)
	}
}

func bodyOf(op api.Operation) string {
	if op.Service.Protocol == api.Query {
		return "Action=" + op.Name + "&Version=" + op.Service.APIVersion
	}
	return "{}"
}

func newRequest(t *testing.T, kit *testkit.Kit, op api.Operation) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, kit.URL+"/", strings.NewReader(bodyOf(op)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if op.Service.Protocol == api.JSON {
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", op.Service.Targets[0]+"."+op.Name)
	}
	return r
}

type loggedEvent struct {
	EventName, ErrorCode, ErrorMessage, RequestID, AWSRegion string
	UserIdentity                                             struct{ Type, ARN, AccessKeyID string }
	RequestParameters                                        json.RawMessage
	Resources                                                []struct{ ARN string }
}

// exchange sends r and returns the answer with the one event it left.
func exchange(t *testing.T, kit *testkit.Kit, r *http.Request, op api.Operation) (status int, code string, event loggedEvent) {
	t.Helper()
	before := kit.Log.Size()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("X-Amzn-Requestid") == "" {
		t.Error("no X-Amzn-RequestId")
	}
	events := kit.Events(before)
	if len(events) != 1 {
		t.Fatalf("%s left %d events", op.Name, len(events))
	}
	if err := json.Unmarshal(events[0], &event); err != nil {
		t.Fatal(err)
	}
	if event.RequestID != resp.Header.Get("X-Amzn-Requestid") {
		t.Errorf("event of request %s, answer to %s", event.RequestID, resp.Header.Get("X-Amzn-Requestid"))
	}
	return resp.StatusCode, errorCode(body.String()), event
}

// errorCode finds AWS's error code in either protocol's error.
func errorCode(body string) string {
	var e struct {
		Type string `json:"__type"`
	}
	if json.Unmarshal([]byte(body), &e) == nil {
		return e.Type
	}
	_, rest, _ := strings.Cut(body, "<Code>")
	code, _, _ := strings.Cut(rest, "</Code>")
	return code
}
