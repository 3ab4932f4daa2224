package command_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
)

const (
	keyID  = "1234abcd-12ab-34cd-56ef-1234567890ab"
	keyARN = "arn:aws:kms:local-1:111122223333:key/" + keyID
)

// service is a server that speaks JSON 1.1 with answers of the test's choice,
// and remembers what it was asked.
type service struct {
	url     string
	answers map[string]any

	mu    sync.Mutex
	calls []call
}

// call is one request: its operation and JSON body.
type call struct {
	op   string
	body map[string]any
}

// awsError is an answer that refuses.
type awsError struct {
	status        int
	code, message string
}

// serve starts a service and points this test's environment to it. An answer
// is an awsError, a function of the request's body, or any JSON.
func serve(t *testing.T, answers map[string]any) *service {
	t.Helper()
	isolate(t)
	s := &service{answers: answers}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	return s
}

// isolate gives the test its own AWS configuration: credentials and no more.
func isolate(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS",
		"AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "KEYD_SOCKET", "KEYD_AUDIT_DIR"} {
		t.Setenv(name, "")
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, "credentials"))
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.calls = append(s.calls, call{op, body})
	answer := s.answers[op]
	s.mu.Unlock()
	if f, ok := answer.(func(map[string]any) any); ok {
		answer = f(body)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-RequestId", "req-1")
	if answer == nil {
		answer = awsError{400, "UnknownOperationException", op}
	}
	if e, ok := answer.(awsError); ok {
		w.WriteHeader(e.status)
		answer = map[string]any{"__type": e.code, "message": e.message}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// ops returns the operations called, in order.
func (s *service) ops() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, c := range s.calls {
		names = append(names, c.op)
	}
	return strings.Join(names, " ")
}

// last returns the body of the last call.
func (s *service) last() map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[len(s.calls)-1].body
}

// result is how one run of keyctl ended.
type result struct {
	code           int
	stdout, stderr string
}

func keyctl(stdin string, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := command.Main(args, strings.NewReader(stdin), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// ok runs keyctl and wants it to succeed, with nothing on standard error.
func ok(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	r := keyctl(stdin, args...)
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("keyctl %s: code %d, stderr %q", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// fails runs keyctl and wants this code, nothing on standard output, and a
// message that holds each of these.
func fails(t *testing.T, code int, stdin string, args []string, holds ...string) {
	t.Helper()
	r := keyctl(stdin, args...)
	if r.code != code || r.stdout != "" || !strings.HasPrefix(r.stderr, "error: ") {
		t.Errorf("keyctl %s: code %d (want %d), stdout %q, stderr %q", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	for _, want := range holds {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("keyctl %s: stderr %q does not hold %q", strings.Join(args, " "), r.stderr, want)
		}
	}
}

// described is DescribeKey's answer for the key of these tests.
func described(state string) any {
	return map[string]any{"KeyMetadata": map[string]any{
		"KeyId": keyID, "Arn": keyARN, "AWSAccountId": "111122223333", "Description": "records",
		"Enabled": state == "Enabled", "KeyState": state, "KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT",
		"KeyManager": "CUSTOMER", "Origin": "AWS_KMS", "MultiRegion": false,
		"EncryptionAlgorithms": []string{"SYMMETRIC_DEFAULT"}, "CreationDate": 1.7e9,
	}}
}

// aliasesAre is ListAliases's answer: these names, all of the key.
func aliasesAre(names ...string) any {
	entries := []any{}
	for _, name := range names {
		entries = append(entries, map[string]any{"AliasName": name, "TargetKeyId": keyID,
			"AliasArn": "arn:aws:kms:local-1:111122223333:" + name, "CreationDate": 1.7e9, "LastUpdatedDate": 1.7e9})
	}
	return map[string]any{"Aliases": entries, "Truncated": false}
}

// pty opens a pseudo-terminal: what is written to ours is typed on theirs.
func pty(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}

func writeTemp(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
