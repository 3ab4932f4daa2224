package sigv4_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/server/sigv4"
)

// refusal is one way to spoil a request and the answer it gets.
type refusal struct {
	name   string
	spoil  func(*request)
	kind   sigv4.Kind
	says   string
	offset time.Duration // of the server's clock
}

func header(name, value string) func(*request) {
	return func(q *request) { q.header.Set(name, value) }
}

func auth(old, replacement string) func(*request) {
	return func(q *request) {
		q.header.Set("Authorization", strings.Replace(q.header.Get("Authorization"), old, replacement, 1))
	}
}

func target(old, replacement string) func(*request) {
	return func(q *request) { q.target = strings.Replace(q.target, old, replacement, 1) }
}

const mismatch = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."

func TestHeaderRefused(t *testing.T) {
	refuseAll(t, signHeader(t, credentials(testID, ""), "/", "{}"), []refusal{
		{name: "unsigned", spoil: func(q *request) { q.header.Del("Authorization") }, kind: sigv4.MissingAuthenticationToken, says: "Request is missing Authentication Token"},
		{name: "empty", spoil: header("Authorization", ""), kind: sigv4.MissingAuthenticationToken, says: "Request is missing Authentication Token"},
		{name: "both forms", spoil: func(q *request) { q.target = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256" }, kind: sigv4.SignatureDoesNotMatch, says: mismatch},
		{name: "twice", spoil: func(q *request) { q.header.Add("Authorization", q.header.Get("Authorization")) }, kind: sigv4.IncompleteSignature, says: "sent once"},
		{name: "algorithm", spoil: auth("SHA256", "SHA1"), kind: sigv4.IncompleteSignature, says: "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1' (only AWS4-HMAC-SHA256 for now)."},
		{name: "bearer", spoil: header("Authorization", "Bearer hunter2"), kind: sigv4.IncompleteSignature, says: "Unsupported AWS 'algorithm' (only"},
		{name: "no parameters", spoil: header("Authorization", "AWS4-HMAC-SHA256"), kind: sigv4.IncompleteSignature, says: "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. (Hashed with SHA-256 and encoded with Base64) Authorization="},
		{name: "no equal sign", spoil: auth("Signature=", "Signature"), kind: sigv4.IncompleteSignature, says: "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '"},
		{name: "repeated parameter", spoil: auth("Signature=", "Credential=x, Signature="), kind: sigv4.IncompleteSignature, says: "must not repeat the 'Credential'"},
		{name: "repeated empty parameter", spoil: auth("Credential=", "Credential=, Credential="), kind: sigv4.IncompleteSignature, says: "must not repeat the 'Credential'"},
		{name: "no date", spoil: func(q *request) { q.header.Del("X-Amz-Date") }, kind: sigv4.IncompleteSignature, says: "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."},
		{name: "two dates", spoil: func(q *request) { q.header.Add("X-Amz-Date", "20260304T050607Z") }, kind: sigv4.IncompleteSignature, says: "must not be repeated"},
		{name: "two tokens", spoil: func(q *request) { q.header["X-Amz-Security-Token"] = []string{"a", "b"} }, kind: sigv4.IncompleteSignature, says: "must not be repeated"},
		{name: "host unsigned", spoil: auth("host;", ""), kind: sigv4.SignatureDoesNotMatch, says: "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
		{name: "target unsigned", spoil: auth(";x-amz-target", ""), kind: sigv4.SignatureDoesNotMatch, says: "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization."},
		{name: "date unsigned", spoil: auth(";x-amz-date", ""), kind: sigv4.SignatureDoesNotMatch, says: "'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization."},
		{name: "content type unsigned", spoil: auth("content-type;", ""), kind: sigv4.SignatureDoesNotMatch, says: "'Content-Type' must be a 'SignedHeader' in the AWS Authorization."},
		{name: "another header added", spoil: header("X-Amz-Meta", "1"), kind: sigv4.SignatureDoesNotMatch, says: "'X-Amz-Meta' must be a 'SignedHeader' in the AWS Authorization."},
		{name: "signed header absent", spoil: func(q *request) { q.header.Del("X-Custom") }, kind: sigv4.SignatureDoesNotMatch, says: mismatch},
		{name: "signed header repeated", spoil: func(q *request) { q.header.Add("X-Custom", "c") }, kind: sigv4.SignatureDoesNotMatch, says: mismatch},
		{name: "names unsorted", spoil: auth("content-type;host", "host;content-type"), kind: sigv4.SignatureDoesNotMatch, says: mismatch},
		{name: "name repeated", spoil: auth("host;", "host;host;"), kind: sigv4.SignatureDoesNotMatch, says: mismatch},
		{name: "too many names", spoil: auth("host;", "host;"+strings.Repeat("i;", 100)), kind: sigv4.SignatureDoesNotMatch, says: mismatch},
		{name: "date format", spoil: header("X-Amz-Date", "Wed, 04 Mar 2026 05:06:07 GMT"), kind: sigv4.IncompleteSignature, says: "Date must be in ISO-8601 'basic format'. Got 'Wed, 04 Mar 2026 05:06:07 GMT'. See http://en.wikipedia.org/wiki/ISO_8601"},
		{name: "date fraction", spoil: header("X-Amz-Date", "20260304T050607.1Z"), kind: sigv4.IncompleteSignature, says: "Date must be in ISO-8601"},
		{name: "stale", spoil: func(*request) {}, offset: 5*time.Minute + time.Second, kind: sigv4.SignatureDoesNotMatch, says: "Signature expired: 20260304T050607Z is now earlier than 20260304T050608Z (20260304T051108Z - 5 min.)"},
		{name: "early", spoil: func(*request) {}, offset: -5*time.Minute - time.Second, kind: sigv4.SignatureDoesNotMatch, says: "Signature not yet current: 20260304T050607Z is still later than 20260304T050606Z (20260304T050106Z + 5 min.)"},
		{name: "four parts", spoil: auth("/kms/", "/"), kind: sigv4.IncompleteSignature, says: "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIAIOSFODNN7EXAMPLE/20260304/eu-1/aws4_request'"},
		{name: "six parts", spoil: auth("/kms/", "/kms/kms/"), kind: sigv4.IncompleteSignature, says: "exactly 5"},
		{name: "region", spoil: auth("/eu-1/", "/eu-2/"), kind: sigv4.SignatureDoesNotMatch, says: "Credential should be scoped to a valid region."},
		{name: "service", spoil: auth("/kms/", "/sts/"), kind: sigv4.SignatureDoesNotMatch, says: "Credential should be scoped to correct service: 'kms'."},
		{name: "terminator", spoil: auth("aws4_request", "aws5_request"), kind: sigv4.SignatureDoesNotMatch, says: "Credential should be scoped with a valid terminator: 'aws4_request'."},
		{name: "day", spoil: auth("/20260304/", "/20260303/"), kind: sigv4.SignatureDoesNotMatch, says: "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20260303' != '20260304', from '20260304T050607Z'."},
		{name: "unknown key", spoil: auth(testID, "AKIAUNKNOWN"), kind: sigv4.InvalidClientTokenID, says: "The security token included in the request is invalid."},
		{name: "temporary key without token", spoil: auth("AKIA", "ASIA"), kind: sigv4.InvalidClientTokenID, says: "The security token included in the request is invalid."},
		{name: "token unsigned", spoil: header("X-Amz-Security-Token", "t"), kind: sigv4.SignatureDoesNotMatch, says: "'X-Amz-Security-Token' must be"},
		{name: "no signature", spoil: auth("Signature=", "Signature=00"), kind: sigv4.SignatureDoesNotMatch, says: mismatch},
		{name: "other payload hash", spoil: header("X-Amz-Content-Sha256", "00"), kind: sigv4.SignatureDoesNotMatch, says: "'X-Amz-Content-Sha256' must be"},
		{name: "relative target", spoil: func(q *request) { q.target = "http://kms/" }, kind: sigv4.Malformed, says: "Path is not absolute."},
		{name: "above root", spoil: func(q *request) { q.target = "/a/../../b" }, kind: sigv4.Malformed, says: "above root"},
		{name: "path escape", spoil: func(q *request) { q.target = "/%4" }, kind: sigv4.Malformed, says: "path"},
		{name: "query escape", spoil: func(q *request) { q.target = "/?a=%zz" }, kind: sigv4.Malformed, says: "query"},
		{name: "method", spoil: func(q *request) { q.method = http.MethodDelete }, kind: sigv4.Malformed, says: "method"},
		{name: "two content types", spoil: func(q *request) { q.header.Add("Content-Type", "text/plain") }, kind: sigv4.Malformed, says: "once"},
		{name: "no target", spoil: func(q *request) { q.target = "" }, kind: sigv4.Malformed, says: "absolute"},
	})
}

func TestQueryRefused(t *testing.T) {
	refuseAll(t, presign(t, credentials(testID, ""), "GET", "/?Action=A&X-Amz-Expires=90", ""), []refusal{
		{name: "algorithm", spoil: target("HMAC-SHA256", "HMAC-SHA1"), kind: sigv4.IncompleteSignature, says: "Unsupported AWS 'algorithm'"},
		{name: "no algorithm", spoil: target("X-Amz-Algorithm", "X"), kind: sigv4.MissingAuthenticationToken, says: "missing"},
		{name: "no credential", spoil: target("X-Amz-Credential", "X"), kind: sigv4.IncompleteSignature, says: "AWS query-string parameters must include 'X-Amz-Credential'. Re-examine the query-string parameters."},
		{name: "no signature", spoil: target("X-Amz-Signature", "X"), kind: sigv4.IncompleteSignature, says: "'X-Amz-Signature'"},
		{name: "no date", spoil: target("X-Amz-Date", "X"), kind: sigv4.IncompleteSignature, says: "'X-Amz-Date'"},
		{name: "no names", spoil: target("X-Amz-SignedHeaders", "X"), kind: sigv4.IncompleteSignature, says: "'X-Amz-SignedHeaders'"},
		{name: "repeated", spoil: target("?", "?X-Amz-Date=&"), kind: sigv4.IncompleteSignature, says: "must not repeat 'X-Amz-Date'"},
		{name: "repeated in escapes", spoil: target("?", "?%58-Amz-Signature=0&"), kind: sigv4.IncompleteSignature, says: "must not repeat 'X-Amz-Signature'"},
		{name: "another parameter", spoil: target("?", "?b=1&"), kind: sigv4.SignatureDoesNotMatch, says: mismatch},
		{name: "removed parameter", spoil: target("Action=A&", ""), kind: sigv4.SignatureDoesNotMatch, says: mismatch},
		{name: "longer life", spoil: target("Expires=90", "Expires=900"), kind: sigv4.SignatureDoesNotMatch, says: mismatch},
		{name: "no life", spoil: target("Expires=90", "Expires=0"), kind: sigv4.IncompleteSignature, says: "from 1 to 604800"},
		{name: "negative life", spoil: target("Expires=90", "Expires=-1"), kind: sigv4.IncompleteSignature, says: "from 1 to 604800"},
		{name: "over a week", spoil: target("Expires=90", "Expires=604801"), kind: sigv4.IncompleteSignature, says: "from 1 to 604800"},
		{name: "life that overflows", spoil: target("Expires=90", "Expires=18446744073709551617"), kind: sigv4.IncompleteSignature, says: "from 1 to 604800"},
		{name: "late", spoil: func(*request) {}, offset: 91 * time.Second, kind: sigv4.SignatureDoesNotMatch, says: "Signature expired: 20260304T050607Z is now earlier than 20260304T050608Z (20260304T050738Z - 90 sec.)"},
		{name: "early", spoil: func(*request) {}, offset: -301 * time.Second, kind: sigv4.SignatureDoesNotMatch, says: "Signature not yet current"},
		{name: "header token as well", spoil: header("X-Amz-Security-Token", "t"), kind: sigv4.SignatureDoesNotMatch, says: mismatch},
		{name: "target header unsigned", spoil: header("X-Amz-Target", "t"), kind: sigv4.SignatureDoesNotMatch, says: "'X-Amz-Target' must be"},
		{name: "permanent key with token", spoil: target("?", "?X-Amz-Security-Token=t&"), kind: sigv4.InvalidClientTokenID, says: "invalid"},
		{name: "unsigned payload", spoil: target("?", "?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&"), kind: sigv4.SignatureDoesNotMatch, says: mismatch},
	})
}

func refuseAll(t *testing.T, honest request, refusals []refusal) {
	if _, err := honest.verify(testVerifier(signedAt)); err != nil {
		t.Fatalf("the honest request: %v", err)
	}
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			q := honest.clone()
			c.spoil(&q)
			id, err := q.verify(testVerifier(signedAt.Add(c.offset)))
			refused := (*sigv4.Error)(nil)
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, want a refusal", err)
			}
			if refused.Kind != c.kind || !strings.Contains(refused.Message, c.says) {
				t.Errorf("got kind %d %q, want %d %q", refused.Kind, refused.Message, c.kind, c.says)
			}
			if id != (sigv4.Identity{}) {
				t.Errorf("a refused request has the identity %+v", id)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the message repeats a secret")
			}
		})
	}
}

// TestPayloadHash holds signed X-Amz-Content-Sha256 headers against the body.
func TestPayloadHash(t *testing.T) {
	for _, hash := range []string{"UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", strings.Repeat("0", 64)} {
		r, _ := unsigned(t, "POST", "/", "{}")
		r.Header.Set("X-Amz-Content-Sha256", hash)
		signSDK(t, r, hash)
		if _, err := sent(r, "{}").verify(testVerifier(signedAt)); err == nil {
			t.Errorf("a signature over the payload hash %s verified", hash)
		}
		// The other way round: the signature covers the body, the header lies.
		_, right := unsigned(t, "POST", "/", "{}")
		r, _ = unsigned(t, "POST", "/", "{}")
		r.Header.Set("X-Amz-Content-Sha256", hash)
		signSDK(t, r, right)
		if _, err := sent(r, "{}").verify(testVerifier(signedAt)); err == nil {
			t.Errorf("a header with the payload hash %s verified", hash)
		}
	}
}

func TestAnswers(t *testing.T) {
	for kind, want := range map[sigv4.Kind][2]sigv4.Answer{
		sigv4.Malformed:                  {{"MalformedHttpRequestException", "m", 400}, {"MalformedQueryString", "m", 400}},
		sigv4.MissingAuthenticationToken: {{"MissingAuthenticationTokenException", "Missing Authentication Token", 400}, {"MissingAuthenticationToken", "m", 403}},
		sigv4.IncompleteSignature:        {{"IncompleteSignatureException", "m", 400}, {"IncompleteSignature", "m", 400}},
		sigv4.SignatureDoesNotMatch:      {{"InvalidSignatureException", "m", 400}, {"SignatureDoesNotMatch", "m", 403}},
		sigv4.InvalidClientTokenID:       {{"UnrecognizedClientException", "m", 400}, {"InvalidClientTokenId", "m", 403}},
		sigv4.ExpiredToken:               {{"ExpiredTokenException", "m", 400}, {"ExpiredToken", "m", 403}},
	} {
		e := &sigv4.Error{Kind: kind, Message: "m"}
		if got := [2]sigv4.Answer{e.JSON(), e.Query()}; got != want {
			t.Errorf("kind %d: got %v, want %v", kind, got, want)
		}
	}
}
