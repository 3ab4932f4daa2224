package sigv4_test

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
)

// sameRequest fails the test unless got means what the honest signer signed.
// It judges with Go's own parsers, not with the code under test.
func sameRequest(t *testing.T, got, honest request, headers ...string) {
	t.Helper()
	if got.method != honest.method || got.host != honest.host || got.body != honest.body {
		t.Errorf("verified %q %q %q", got.method, got.host, got.body)
	}
	gotPath, gotQuery, _ := strings.Cut(got.target, "?")
	wantPath, wantQuery, _ := strings.Cut(honest.target, "?")
	if path.Clean(gotPath) != path.Clean(wantPath) {
		t.Errorf("verified path %q, signed %q", gotPath, wantPath)
	}
	a, errA := url.ParseQuery(strings.ReplaceAll(gotQuery, ";", "%3B"))
	b, errB := url.ParseQuery(wantQuery)
	if errA != nil || errB != nil || len(a) != len(b) {
		t.Errorf("verified query %q, signed %q", gotQuery, wantQuery)
	}
	for name, values := range a {
		slices.Sort(values)
		slices.Sort(b[name])
		if !slices.Equal(values, b[name]) {
			t.Errorf("verified query %q, signed %q", gotQuery, wantQuery)
		}
	}
	words := func(h http.Header, name string) string {
		return strings.Join(strings.Fields(strings.Join(h[name], ",")), " ")
	}
	for _, name := range headers {
		if words(got.header, name) != words(honest.header, name) {
			t.Errorf("verified %s %q, signed %q", name, got.header[name], honest.header[name])
		}
	}
}

// FuzzHeader changes a request signed in the Authorization header.
func FuzzHeader(f *testing.F) {
	honest := signHeader(f, credentials(testID, ""), "/a%20b/?x=1&y=%2B", `{"KeyId":"1"}`)
	h := honest.header
	add := func(authorization string) {
		f.Add(honest.method, honest.target, honest.host, honest.body, authorization,
			h.Get("X-Amz-Date"), h.Get("X-Amz-Target"), h.Get("Content-Type"), h.Get("X-Custom"), "")
	}
	add(h.Get("Authorization"))
	add("AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=00")
	f.Add("GET", "/?X-Amz-Algorithm=AWS4-HMAC-SHA256", "", "", "", "", "", "", "", "tok")
	v := testVerifier(signedAt)
	f.Fuzz(func(t *testing.T, method, target, host, body, authorization, date, operation, contentType, custom, token string) {
		q := request{method: method, target: target, host: host, body: body, header: http.Header{}}
		for name, value := range map[string]string{
			"Authorization": authorization, "X-Amz-Date": date, "X-Amz-Target": operation,
			"Content-Type": contentType, "X-Custom": custom, "X-Amz-Security-Token": token,
		} {
			if value != "" {
				q.header.Set(name, value)
			}
		}
		if _, err := q.verify(v); err == nil {
			sameRequest(t, q, honest, "X-Amz-Date", "X-Amz-Target", "Content-Type", "X-Custom", "X-Amz-Security-Token")
		}
	})
}

// FuzzQuery changes a presigned URL.
func FuzzQuery(f *testing.F) {
	honest := presign(f, credentials(testID, ""), "POST", "/a/../b?Action=A&x=%2B+%26&X-Amz-Expires=60", "k=v")
	f.Add(honest.method, honest.target, honest.host, honest.body, "", "")
	f.Add("GET", strings.ReplaceAll(honest.target, "%2B", "+"), honest.host, "", "text/plain", "AWS4-HMAC-SHA256 x")
	f.Add("GET", "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Algorithm=&X-Amz-Credential=////", "h", "", "", "")
	v := testVerifier(signedAt)
	f.Fuzz(func(t *testing.T, method, target, host, body, operation, authorization string) {
		q := request{method: method, target: target, host: host, body: body, header: http.Header{}}
		for name, value := range map[string]string{"X-Amz-Target": operation, "Authorization": authorization} {
			if value != "" {
				q.header.Set(name, value)
			}
		}
		if _, err := q.verify(v); err == nil {
			sameRequest(t, q, honest, "X-Amz-Target")
		}
	})
}
