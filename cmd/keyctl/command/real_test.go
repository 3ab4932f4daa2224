package command_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

// appliance starts keyd on a real token and points this test's environment to
// it, as the root user.
func appliance(t *testing.T, opts ...testkit.Option) *testkit.Kit {
	t.Helper()
	isolate(t)
	kit := testkit.Start(t, opts...)
	t.Setenv("AWS_ENDPOINT_URL", kit.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", kit.Credentials.ID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", string(kit.Credentials.Secret))
	return kit
}

// newKey makes a key with these flags and returns its ARN.
func newKey(t *testing.T, flags ...string) string {
	t.Helper()
	return answer[struct {
		ARN string `json:"Arn"`
	}](t, append([]string{"key", "create"}, flags...)...).ARN
}

// answer runs keyctl and returns its JSON.
func answer[T any](t *testing.T, args ...string) T {
	t.Helper()
	return answerTo[T](t, "", args...)
}

// answerTo is answer with something on standard input.
func answerTo[T any](t *testing.T, stdin string, args ...string) T {
	t.Helper()
	var v T
	text := ok(t, stdin, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// holds wants a text to hold all of these.
func holds(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
}

// inTemp returns paths in a directory of the test.
func inTemp(t *testing.T, names ...string) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for _, name := range names {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths
}
