package command

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// idp is an issuer on the network whose answers a test chooses.
type idp struct {
	*httptest.Server
	discovery, keys string // bodies; a discovery of "" means an honest one
	status          int
	asked           int
}

func newIDP(t *testing.T) (*idp, *issuerKeys) {
	i := &idp{keys: `{"keys":[{"kty":"EC"}]}`, status: http.StatusOK}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.asked++
		w.WriteHeader(i.status)
		body := i.discovery
		if body == "" {
			body = fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, i.URL, i.URL+"/keys")
		}
		_, _ = io.WriteString(w, body)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, i.keys) })
	mux.HandleFunc("/plain", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/keys", http.StatusFound)
	})
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	i.Server = httptest.NewTLSServer(mux)
	t.Cleanup(i.Close)
	k, err := newIssuerKeys(nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	k.client.Transport = i.Client().Transport // which trusts the test's certificate
	return i, k
}

func TestIssuerKeys(t *testing.T) {
	i, k := newIDP(t)
	now := time.Now()
	k.now = func() time.Time { return now }
	ask := func(fresh bool, want string, asked int) {
		t.Helper()
		keys, err := k.Keys(t.Context(), i.URL, fresh)
		if err != nil || string(keys) != want || i.asked != asked {
			t.Errorf("%s, %v, asked %d times; want %s, %d", keys, err, i.asked, want, asked)
		}
	}
	first, second := i.keys, `{"keys":[{"kty":"RSA"}]}`
	ask(false, first, 1)
	i.keys = second
	ask(false, first, 1) // from the cache
	ask(true, first, 1)  // asked just now: whoever sends tokens cannot make it ask more
	now = now.Add(issuerPause)
	ask(true, second, 2)
	now = now.Add(issuerTTL)
	ask(false, second, 3)
	i.status = http.StatusBadGateway
	now = now.Add(issuerTTL)
	ask(false, second, 4) // away: the keys stay for a while
	ask(false, second, 4)
	now = now.Add(issuerTTL)
	if keys, err := k.Keys(t.Context(), i.URL, false); err == nil || keys != nil {
		t.Errorf("away for two hours: %s, %v", keys, err)
	}
	i.status = http.StatusOK
	now = now.Add(issuerPause)
	ask(false, second, 6)
}

func TestIssuerRefused(t *testing.T) {
	for _, c := range []struct{ what, discovery, keys, text string }{
		{"not JSON", "<html>", "", "discovery document"},
		{"of another issuer", `{"issuer":"https://other.example","jwks_uri":"URL/keys"}`, "", `of the issuer "https://other.example"`},
		{"keys over HTTP", `{"issuer":"URL","jwks_uri":"http://idp.example/keys"}`, "", "want an https:// URL"},
		{"redirect to HTTP", `{"issuer":"URL","jwks_uri":"URL/plain"}`, "", "want an https:// URL"},
		{"endless redirects", `{"issuer":"URL","jwks_uri":"URL/round"}`, "", "too many redirects"},
		{"missing keys", `{"issuer":"URL","jwks_uri":"URL/none"}`, "", "HTTP 404"},
		{"no key set", "", `{"keys":[]}`, "not a JSON Web Key Set"},
		{"too long", "", `{"keys":["` + strings.Repeat("k", issuerBytes) + `"]}`, "longer than"},
	} {
		i, k := newIDP(t)
		i.discovery, i.keys = strings.ReplaceAll(c.discovery, "URL", i.URL), c.keys
		if keys, err := k.Keys(t.Context(), i.URL, false); err == nil || !strings.Contains(err.Error(), c.text) || keys != nil {
			t.Errorf("%s: %s, %v, want %q", c.what, keys, err, c.text)
		}
	}
	_, k := newIDP(t)
	if _, err := k.Keys(t.Context(), "http://idp.example", false); err == nil {
		t.Error("an issuer over HTTP was asked")
	}
}

func TestIssuerFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"keys":[{"kty":"EC"}]}`)
	files, err := issuerFiles([]string{"https://idp.example/?a=b=" + path})
	if err != nil {
		t.Fatal(err)
	}
	k, err := newIssuerKeys(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	write(`{"keys":[{"kty":"RSA"}]}`)
	if keys, err := k.Keys(t.Context(), "https://idp.example/?a=b", false); err != nil || !strings.Contains(string(keys), "RSA") {
		t.Errorf("changed file: %s, %v", keys, err)
	}
	for _, bad := range []map[string]string{
		{"http://idp.example": path}, {"https://idp.example": path + ".none"}, {"": path},
	} {
		if _, err := newIssuerKeys(bad, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%v accepted", bad)
		}
	}
	for _, bad := range []string{"", "https://idp.example", "=file", "https://idp.example="} {
		var wrong *failure
		if _, err := issuerFiles([]string{bad}); !errors.As(err, &wrong) || wrong.code != exitUsage {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
