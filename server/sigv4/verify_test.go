package sigv4_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/keyd-hsm/keyd/server/sigv4"
)

const (
	testID     = "AKIAIOSFODNN7EXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var signedAt = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// static is Keys over a fixed list of secrets, which takes any session token.
type static map[string]string

func (s static) SigningKey(_ context.Context, c sigv4.Credential) (sigv4.Key, error) {
	secret, ok := s[c.AccessKeyID]
	if !ok {
		return sigv4.Key{}, sigv4.ErrUnknownKey
	}
	return sigv4.DeriveKey([]byte(secret), c), nil
}

func testVerifier(now time.Time) *sigv4.Verifier {
	return &sigv4.Verifier{
		Keys:   static{testID: testSecret, "ASIAIOSFODNN7EXAMPLE": testSecret},
		Now:    func() time.Time { return now },
		Region: func(region string) bool { return region == "eu-1" },
	}
}

// request is what a server has of a request; clone and change it at will.
type request struct {
	method, target, host, body string
	header                     http.Header
}

func (q request) clone() request {
	q.header = q.header.Clone()
	return q
}

func (q request) http() *http.Request {
	r := &http.Request{Method: q.method, RequestURI: q.target, Host: q.host, Header: q.header, ContentLength: int64(len(q.body))}
	return r.WithContext(context.Background())
}

func (q request) verify(v *sigv4.Verifier) (sigv4.Identity, error) {
	return v.Verify(q.http(), []byte(q.body), "kms")
}

// sent takes what the SDK signed to what the server receives.
func sent(r *http.Request, body string) request {
	return request{method: r.Method, target: r.URL.RequestURI(), host: r.URL.Host, body: body, header: r.Header}
}

func unsigned(t testing.TB, method, target, body string) (*http.Request, string) {
	t.Helper()
	r, err := http.NewRequest(method, "https://kms.eu-1.example.com:8443"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	return r, hex.EncodeToString(sum[:])
}

// signHeader has the AWS SDK sign a KMS call in the Authorization header.
func signHeader(t testing.TB, creds aws.Credentials, target, body string) request {
	t.Helper()
	r, hash := unsigned(t, "POST", target, body)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "TrentService.Encrypt")
	r.Header.Set("X-Custom", "a  b")
	r.Header.Set("Amz-Sdk-Request", "attempt=1")
	if err := v4.NewSigner().SignHTTP(t.Context(), creds, r, hash, "kms", "eu-1", signedAt); err != nil {
		t.Fatal(err)
	}
	// What a client adds after signing is not covered, and need not be.
	r.Header.Set("User-Agent", "aws-sdk-go-v2")
	r.Header.Set("Amz-Sdk-Invocation-Id", "1")
	return sent(r, body)
}

// presign has the AWS SDK make a presigned URL.
func presign(t testing.TB, creds aws.Credentials, method, target, body string) request {
	t.Helper()
	r, hash := unsigned(t, method, target, body)
	signed, header, err := v4.NewSigner().PresignHTTP(t.Context(), creds, r, hash, "kms", "eu-1", signedAt)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	q := sent(r, body)
	q.target, q.header = u.RequestURI(), header
	q.header.Del("Host")
	return q
}

func credentials(id, token string) aws.Credentials {
	return aws.Credentials{AccessKeyID: id, SecretAccessKey: testSecret, SessionToken: token}
}

func TestSDKSigned(t *testing.T) {
	for name, q := range map[string]request{
		"header":         signHeader(t, credentials(testID, ""), "/", `{"KeyId":"1"}`),
		"header path":    signHeader(t, credentials(testID, ""), "/a%20b/c?x=%2F+1&y&x=a", "{}"),
		"header token":   signHeader(t, credentials("ASIAIOSFODNN7EXAMPLE", "tok/en+=="), "/", "{}"),
		"presigned":      presign(t, credentials(testID, ""), "GET", "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", ""),
		"presigned bare": presign(t, credentials(testID, ""), "GET", "/?Action=GetCallerIdentity", ""),
		"presigned post": presign(t, credentials(testID, ""), "POST", "/?X-Amz-Expires=60", "Action=GetCallerIdentity"),
		"presigned tok":  presign(t, credentials("ASIAIOSFODNN7EXAMPLE", "tok/en+=="), "GET", "/", ""),
	} {
		t.Run(name, func(t *testing.T) {
			id, err := q.verify(testVerifier(signedAt.Add(time.Minute)))
			if err != nil {
				t.Fatal(err)
			}
			if !id.SignedAt.Equal(signedAt) || id.Region != "eu-1" || id.Service != "kms" || id.Presigned == strings.HasPrefix(name, "header") {
				t.Errorf("identity %+v", id)
			}
		})
	}
}

// TestEveryByte changes each byte of each signed part; none may verify.
func TestEveryByte(t *testing.T) {
	v := testVerifier(signedAt)
	header := signHeader(t, credentials(testID, ""), "/a/b?x=1&y=two", `{"KeyId":"1"}`)
	query := presign(t, credentials(testID, ""), "POST", "/a/b?x=1&X-Amz-Expires=60", `{"KeyId":"1"}`)
	for name, q := range map[string]request{"header": header, "query": query} {
		if _, err := q.verify(v); err != nil {
			t.Fatalf("%s: the honest request: %v", name, err)
		}
		refuse := func(part string, change func(*request, func(string) string), in string) {
			for i := range len(in) {
				for _, bit := range []byte{1, 2, 0x10} {
					c := q.clone()
					change(&c, func(s string) string { return s[:i] + string(rune(s[i]^bit)) + s[i+1:] })
					if _, err := c.verify(v); err == nil {
						t.Errorf("%s: %s verified with byte %d changed by %#x", name, part, i, bit)
					}
				}
			}
		}
		refuse("method", func(c *request, f func(string) string) { c.method = f(c.method) }, q.method)
		refuse("target", func(c *request, f func(string) string) { c.target = f(c.target) }, q.target)
		refuse("host", func(c *request, f func(string) string) { c.host = f(c.host) }, q.host)
		refuse("body", func(c *request, f func(string) string) { c.body = f(c.body) }, q.body)
		for _, h := range []string{"Content-Type", "X-Amz-Target", "X-Amz-Date", "X-Custom"} {
			refuse(h, func(c *request, f func(string) string) { c.header.Set(h, f(c.header.Get(h))) }, q.header.Get(h))
		}
		_, sig, _ := strings.Cut(q.header.Get("Authorization"), "Signature=")
		refuse("signature", func(c *request, f func(string) string) {
			c.header.Set("Authorization", strings.Replace(c.header.Get("Authorization"), sig, f(sig), 1))
		}, sig)
		longer := q.clone()
		longer.body += " "
		if _, err := longer.verify(v); err == nil {
			t.Errorf("%s: a longer body verified", name)
		}
	}
}

// broken is a source that cannot find out.
type broken struct{ error }

func (b broken) SigningKey(context.Context, sigv4.Credential) (sigv4.Key, error) {
	return sigv4.Key{}, b.error
}

func TestSourceFailure(t *testing.T) {
	cause := errors.New("store is closed")
	v := testVerifier(signedAt)
	v.Keys = broken{cause}
	_, err := signHeader(t, credentials(testID, ""), "/", "{}").verify(v)
	if refused := (*sigv4.Error)(nil); !errors.Is(err, cause) || errors.As(err, &refused) {
		t.Errorf("got %v, want the cause and no refusal", err)
	}
	v.Keys = broken{sigv4.ErrExpiredToken}
	_, err = signHeader(t, credentials(testID, ""), "/", "{}").verify(v)
	refused := (*sigv4.Error)(nil)
	if !errors.As(err, &refused) || refused.Kind != sigv4.ExpiredToken || refused.AccessKeyID != testID {
		t.Errorf("got %#v, want ExpiredToken", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	q := signHeader(b, credentials(testID, ""), "/", strings.Repeat("x", 4096))
	v := testVerifier(signedAt)
	secret := &counted{secret: testSecret}
	v.Keys = sigv4.NewCache(secret, 16, time.Now)
	r, body := q.http(), []byte(q.body)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r, body, "kms"); err != nil {
			b.Fatal(err)
		}
	}
}

func signSDK(t testing.TB, r *http.Request, hash string) {
	t.Helper()
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials(testID, ""), r, hash, "kms", "eu-1", signedAt); err != nil {
		t.Fatal(err)
	}
}
