package command_test

import (
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// newService starts a service whose random bytes say which it is.
func newService(t *testing.T, name string) *service {
	s := &service{answers: map[string]any{"GenerateRandom": map[string]any{"Plaintext": name}}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// onSocket starts such a service on a Unix socket.
func onSocket(t *testing.T, name string) string {
	path := filepath.Join(t.TempDir(), "keyd.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(&service{answers: map[string]any{"GenerateRandom": map[string]any{"Plaintext": name}}})
	_ = server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	return path
}

// TestWhereKeydIs: flags, then the AWS configuration, then KEYD_SOCKET.
func TestWhereKeydIs(t *testing.T) {
	isolate(t)
	flag, env, profile := newService(t, "AAAA"), newService(t, "BBBB"), newService(t, "CCCC")
	socket, envSocket := onSocket(t, "DDDD"), onSocket(t, "EEEE")

	t.Setenv("KEYD_SOCKET", envSocket)
	if got := ok(t, "", "random"); got != "EEEE\n" {
		t.Errorf("KEYD_SOCKET alone: %q", got)
	}
	text := "[profile p]\nendpoint_url = " + profile.url + "\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = s\n"
	if err := os.WriteFile(os.Getenv("AWS_CONFIG_FILE"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ok(t, "", "random", "--profile", "p"); got != "CCCC\n" {
		t.Errorf("profile and KEYD_SOCKET: %q", got)
	}
	t.Setenv("AWS_ENDPOINT_URL", env.url)
	if got := ok(t, "", "random"); got != "BBBB\n" {
		t.Errorf("AWS_ENDPOINT_URL and KEYD_SOCKET: %q", got)
	}
	t.Setenv("AWS_ENDPOINT_URL_KMS", env.url)
	if got := ok(t, "", "random", "--endpoint", flag.url); got != "AAAA\n" {
		t.Errorf("--endpoint and environment: %q", got)
	}
	// A proxy of the environment is not for a socket.
	t.Setenv("HTTP_PROXY", env.url)
	if got := ok(t, "", "random", "--socket", socket); got != "DDDD\n" {
		t.Errorf("--socket and environment: %q", got)
	}
	fails(t, 2, "", []string{"random", "--socket", socket, "--endpoint", flag.url}, "endpoint", "socket")
}

func TestEndpointsRefused(t *testing.T) {
	isolate(t)
	for endpoint, why := range map[string]string{
		"http://keyd.example:8443":   "plain HTTP",
		"http://10.0.0.1":            "plain HTTP",
		"http://127.0.0.1.nip.io":    "plain HTTP",
		"keyd.example:8443":          "not an http or https URL",
		"ftp://127.0.0.1":            "not an http or https URL",
		"https://":                   "not an http or https URL",
		"https://me:pw@keyd.example": "user or password",
	} {
		fails(t, 2, "", []string{"whoami", "--endpoint", endpoint}, why, "hint: ")
		t.Setenv("AWS_ENDPOINT_URL", endpoint)
		fails(t, 2, "", []string{"whoami"}, why)
		t.Setenv("AWS_ENDPOINT_URL", "")
	}
}
