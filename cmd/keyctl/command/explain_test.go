package command_test

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestServiceErrors: each code of AWS ends in a message, what to do next, and
// an exit code.
func TestServiceErrors(t *testing.T) {
	for _, tc := range []struct {
		code, message string
		exit          int
		stderr        []string
	}{
		{"AccessDeniedException", "User: arn:aws:iam::111122223333:user/eve is not authorized to perform: kms:Decrypt", 3,
			[]string{"error: user: arn:aws:iam::111122223333:user/eve is not authorized", "(AccessDeniedException)", "hint: \"keyctl whoami\""}},
		{"UnrecognizedClientException", "The security token included in the request is invalid.", 3,
			[]string{"error: the security token included in the request is invalid (UnrecognizedClientException)\n", "AWS_ACCESS_KEY_ID"}},
		{"InvalidSignatureException", "The request signature we calculated does not match the signature you provided.", 3,
			[]string{"AWS_SECRET_ACCESS_KEY"}},
		{"InvalidSignatureException", "Signature expired: 20261122T090000Z is now earlier than 20261122T100000Z", 3, []string{"hint: set the clock"}},
		{"ExpiredTokenException", "", 3, []string{"session", "hint: "}},
		{"NotFoundException", "Alias arn:aws:kms:local-1:111122223333:alias/x is not found.", 4, []string{"is not found (NotFoundException)", "keyctl key list"}},
		{"InvalidCiphertextException", "", 5, []string{"error: the ciphertext does not open (InvalidCiphertextException)", "same --context"}},
		{"IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.", 5, []string{"leave --key out"}},
		{"KMSInternalException", "", 6, []string{"request req-1"}},
		{"DependencyTimeoutException", "", 6, []string{"the token did not answer", "request req-1"}},
		{"SomethingNewException", "Not known here.", 1, []string{"error: not known here (SomethingNewException)"}},
		{"DisabledException", keyARN + " is disabled.", 7, []string{"error: " + keyARN + " is disabled (", "hint: enable it: keyctl key enable " + keyARN + "\n"}},
		{"KMSInvalidStateException", keyARN + " is pending deletion.", 7, []string{"keyctl key cancel-deletion " + keyARN}},
		{"KMSInvalidStateException", keyARN + " is not pending deletion.", 7, []string{"no deletion to cancel", "keyctl key describe " + keyARN}},
		{"ValidationException", "1 validation error detected: …", 2, []string{"1 validation error detected"}},
	} {
		t.Run(tc.code, func(t *testing.T) {
			status := 400
			if tc.exit == 6 {
				status = 500
			}
			serve(t, map[string]any{"Decrypt": awsError{status, tc.code, tc.message}})
			fails(t, tc.exit, "AQ==", []string{"decrypt"}, tc.stderr...)
		})
	}
}

func TestMessageCannotObeyTheTerminal(t *testing.T) {
	serve(t, map[string]any{"Decrypt": awsError{400, "AccessDeniedException", "\x1b[2Jnothing\nerror: all is well"}})
	r := keyctl("AQ==", "decrypt")
	if strings.Contains(r.stderr, "\x1b") || strings.Count(r.stderr, "\n") != 2 {
		t.Errorf("stderr %q", r.stderr)
	}
}

func TestRetries(t *testing.T) {
	n := 0
	s := serve(t, map[string]any{"GenerateRandom": func(map[string]any) any {
		if n++; n < 3 {
			return awsError{500, "KMSInternalException", ""}
		}
		return map[string]any{"Plaintext": "AAEC"}
	}})
	if got := ok(t, "", "random", "--bytes", "3", "--hex"); got != "000102\n" {
		t.Errorf("got %q", got)
	}
	n = -10
	fails(t, 6, "", []string{"random"})
	if got := len(strings.Fields(s.ops())); got != 6 {
		t.Errorf("%d calls in all, want 3 and 3", got)
	}
}

func TestNoAnswer(t *testing.T) {
	isolate(t)
	fails(t, 2, "", []string{"whoami"}, "no endpoint configured", "--endpoint URL or --socket PATH", "AWS_ENDPOINT_URL")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	_ = l.Close()
	fails(t, 6, "", []string{"whoami", "--endpoint", "http://" + gone}, gone+": connection refused", "is keyd running")
	fails(t, 6, "", []string{"whoami", "--socket", filepath.Join(t.TempDir(), "none")}, "no such socket", "is keyd running")

	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		// Only after the body does the server notice that the client has gone.
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	fails(t, 6, "", []string{"random", "--endpoint", silent.URL, "--timeout", "50ms"}, "no answer in time", "--timeout")

	stranger := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(stranger.Close)
	fails(t, 6, "", []string{"random", "--endpoint", stranger.URL}, "hint: is it keyd's address?")

	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	// The server would write that the client did not trust it, as it should.
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	fails(t, 6, "", []string{"random", "--endpoint", secure.URL}, "certificate", "AWS_CA_BUNDLE")
	fails(t, 6, "", []string{"random", "--endpoint", strings.Replace(stranger.URL, "http:", "https:", 1)}, "speaks HTTP, not HTTPS")
}

func TestCredentials(t *testing.T) {
	s := serve(t, nil)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	fails(t, 3, "", []string{"random"}, "credentials: none found", "AWS_ACCESS_KEY_ID")
	fails(t, 2, "", []string{"random", "--profile", "nobody"}, `profile "nobody": not found`)
	if err := os.WriteFile(os.Getenv("AWS_CONFIG_FILE"), []byte("[profile p]\nregion = eu-7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, 3, "", []string{"random", "--profile", "p"}, `credentials: none in profile "p"`)
	if s.ops() != "" {
		t.Errorf("called without credentials: %s", s.ops())
	}
}
