package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Bounds of what is fetched from an OIDC issuer, which is somebody else's.
const (
	issuerTimeout   = 5 * time.Second // for its two documents together
	issuerBytes     = 256 << 10       // of each
	issuerRedirects = 3
	// issuerTTL is how long keys are used before they are asked for again;
	// issuerPause how long at least between two questions, whatever tokens come.
	issuerTTL   = time.Hour
	issuerPause = 30 * time.Second
	maxIssuers  = 1000 // whose keys are kept
)

// issuerKeys finds the keys of OIDC issuers: in the operator's files, or by
// OpenID Connect Discovery over HTTPS. See sts.KeySource for its contract.
type issuerKeys struct {
	files  map[string]string // path by issuer
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	flight singleflight.Group // one question to an issuer at a time

	mu    sync.Mutex // guards known
	known map[string]issuerAnswer
}

// issuerAnswer is what is known of an issuer.
type issuerAnswer struct {
	keys    []byte // that it gave last, nil for never
	fetched time.Time
	asked   time.Time // last, whatever came of it
	err     error     // of that
}

// answer is what the answer comes to: keys are good for a while after they were
// due to be asked for again, if the issuer is away.
func (a issuerAnswer) answer(now time.Time) ([]byte, error) {
	if a.err != nil && (a.keys == nil || now.Sub(a.fetched) >= 2*issuerTTL) {
		return nil, a.err
	}
	return a.keys, nil
}

// newIssuerKeys takes the operator's files and refuses those that hold no keys.
func newIssuerKeys(files map[string]string, log *slog.Logger) (*issuerKeys, error) {
	for issuer, path := range files {
		if err := checkHTTPS(issuer); err != nil {
			return nil, fmt.Errorf("oidc_jwks: issuer %q: %w", issuer, err)
		}
		if _, err := readKeys(path); err != nil {
			return nil, fmt.Errorf("oidc_jwks: %w", err)
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout, transport.MaxResponseHeaderBytes = issuerTimeout, 64<<10
	transport.MaxConnsPerHost = 2
	return &issuerKeys{
		files: files, now: time.Now, log: log, known: make(map[string]issuerAnswer),
		client: &http.Client{Transport: transport, Timeout: issuerTimeout, CheckRedirect: checkRedirect},
	}, nil
}

func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > issuerRedirects {
		return errors.New("too many redirects")
	}
	return checkHTTPS(r.URL.String())
}

func checkHTTPS(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("want an https:// URL")
	}
	return nil
}

// Keys is a sts.KeySource.
func (k *issuerKeys) Keys(ctx context.Context, issuer string, fresh bool) ([]byte, error) {
	if path, ok := k.files[issuer]; ok {
		return readKeys(path) // each time: a changed file counts at once
	}
	if err := checkHTTPS(issuer); err != nil {
		return nil, fmt.Errorf("issuer %q: %w", issuer, err)
	}
	if a, ok := k.recall(issuer, fresh); ok {
		return a.answer(k.now())
	}
	done := k.flight.DoChan(issuer, func() (any, error) { return k.ask(issuer), nil })
	select {
	case r := <-done:
		return r.Val.(issuerAnswer).answer(k.now())
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// recall gives the last answer while it is good.
func (k *issuerKeys) recall(issuer string, fresh bool) (issuerAnswer, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a, now := k.known[issuer], k.now()
	current := !fresh && a.keys != nil && now.Sub(a.fetched) < issuerTTL
	return a, current || !a.asked.IsZero() && now.Sub(a.asked) < issuerPause
}

// ask fetches the keys and keeps the answer. It is not bound to the request that
// caused it: others may wait for the same.
func (k *issuerKeys) ask(issuer string) issuerAnswer {
	ctx, cancel := context.WithTimeout(context.Background(), issuerTimeout)
	defer cancel()
	keys, err := k.discover(ctx, issuer)
	if err != nil {
		err = fmt.Errorf("issuer %s: %w", issuer, err)
		k.log.Warn("OIDC issuer's keys not fetched", "issuer", issuer, "error", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	a, again := k.known[issuer]
	a.asked, a.err = k.now(), err
	if err == nil {
		a.keys, a.fetched = keys, a.asked
	}
	if !again && len(k.known) >= maxIssuers {
		for victim := range k.known { // any one: map order is random enough
			delete(k.known, victim)
			break
		}
	}
	k.known[issuer] = a
	return a
}

// discover reads the issuer's discovery document and the keys that it points to.
func (k *issuerKeys) discover(ctx context.Context, issuer string) ([]byte, error) {
	text, err := k.get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	var d struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("discovery document: %w", err)
	}
	if d.Issuer != issuer {
		return nil, fmt.Errorf("discovery document is of the issuer %.200q", d.Issuer)
	}
	if err := checkHTTPS(d.Keys); err != nil {
		return nil, fmt.Errorf("jwks_uri %.200q: %w", d.Keys, err)
	}
	if text, err = k.get(ctx, d.Keys); err != nil {
		return nil, err
	}
	return text, checkKeys(text)
}

func (k *issuerKeys) get(ctx context.Context, from string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	resp, err := k.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: HTTP %d", from, resp.StatusCode)
	}
	return readBounded(resp.Body, from)
}

func readKeys(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := readBounded(f, path)
	if err != nil {
		return nil, err
	}
	if err := checkKeys(text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

func readBounded(r io.Reader, from string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, issuerBytes+1))
	if err == nil && len(text) > issuerBytes {
		err = fmt.Errorf("%s: longer than %d bytes", from, issuerBytes)
	}
	return text, err
}

// checkKeys refuses what is no JSON Web Key Set.
func checkKeys(text []byte) error {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) == 0 {
		return errors.New("not a JSON Web Key Set with keys")
	}
	return nil
}

// issuerFiles reads --oidc-jwks ISSUER=FILE.
func issuerFiles(flags []string) (map[string]string, error) {
	files := make(map[string]string, len(flags))
	for _, f := range flags {
		i := strings.LastIndexByte(f, '=') // an issuer is a URL, and may hold one
		if i <= 0 || i == len(f)-1 {
			return nil, usage(fmt.Errorf("--oidc-jwks %q: want ISSUER=FILE", f), "as in --oidc-jwks https://idp.example=keys.json")
		}
		files[f[:i]] = f[i+1:]
	}
	return files, nil
}
