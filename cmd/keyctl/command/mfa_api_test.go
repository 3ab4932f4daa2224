package command_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestMFARequests: keyd's own operations are asked as the SDK asks AWS's, and what
// they refuse is shown as AWS's refusals are.
func TestMFARequests(t *testing.T) {
	s := serve(t, map[string]any{
		"DescribeMFADevices": map[string]any{"UserName": "alice", "Failures": 2, "Locked": false, "RecoveryCodesLeft": 7, "Devices": []any{
			map[string]any{"SerialNumber": "arn:aws:iam::111122223333:mfa/key", "UserName": "alice", "Type": "PIV", "EnableDate": 1.7e9,
				"Attested": true, "TouchPolicy": "always", "Slot": "9a"},
			map[string]any{"SerialNumber": "arn:aws:iam::111122223333:mfa/phone", "UserName": "alice", "Type": "TOTP", "EnableDate": 1.7e9, "Locked": true},
		}},
		"UnlockMFA": awsError{400, "NoSuchEntityException", "The user with name bob cannot be found."},
		"CreateRecoveryCodes": awsError{400, "AccessDeniedException",
			"User: arn:aws:iam::111122223333:user/a is not authorized to perform: keyd:CreateRecoveryCodes on resource: arn:aws:iam::111122223333:user/a because no identity-based policy allows the keyd:CreateRecoveryCodes action"},
	})
	holds(t, ok(t, "", "mfa", "list", "alice"), "mfa/key     PIV    yes        always   ok       2023-11-14 22:13:20Z",
		"mfa/phone   TOTP   -          -        locked", "alice: ok (2 wrong answers); 7 recovery codes left")
	if s.last()["UserName"] != "alice" {
		t.Errorf("asked %v", s.last())
	}
	fails(t, 4, "", []string{"mfa", "unlock", "bob"}, "error: the user with name bob cannot be found (NoSuchEntityException)")
	fails(t, 3, "", []string{"mfa", "enroll", "recovery"}, "(AccessDeniedException)", `hint: this statement would allow it`, `"Action": "keyd:CreateRecoveryCodes"`)
}

// TestMFASignatureAndRetry: signed for service keyd, and tried again when the
// server fails, each time with the whole body.
func TestMFASignatureAndRetry(t *testing.T) {
	isolate(t)
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 100)
		n, _ := r.Body.Read(b)
		bodies = append(bodies, string(b[:n]))
		if a := r.Header.Get("Authorization"); !strings.Contains(a, "/local-1/keyd/aws4_request") || r.Header.Get("X-Amz-Target") != "KeydMFA.UnlockMFA" {
			t.Errorf("%q, target %q", a, r.Header.Get("X-Amz-Target"))
		}
		if len(bodies) < 3 {
			w.Header().Set("X-Amzn-RequestId", "req-1")
			w.WriteHeader(503)
			_, _ = w.Write([]byte(`{"__type":"ServiceUnavailable","message":"wait"}`))
		}
	}))
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	if got := ok(t, "", "mfa", "unlock", "alice"); got != "alice: unlocked\n" {
		t.Errorf("%q", got)
	}
	if len(bodies) != 3 || bodies[0] != `{"UserName":"alice"}` || bodies[2] != bodies[0] {
		t.Errorf("bodies %q", bodies)
	}
}

// TestMFAStranger: a server that is not keyd.
func TestMFAStranger(t *testing.T) {
	isolate(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", 404) }))
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	fails(t, 6, "", []string{"mfa", "list"}, "did not answer as keyd does")
}
