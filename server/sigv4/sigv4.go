// Package sigv4 is the server's side of AWS Signature Version 4: it finds out
// who signed a request, from an Authorization header or a presigned URL.
//
// Most callers need two calls: [Verifier.Verify] answers an [Identity] or an
// [Error], and [Error.JSON] or [Error.Query] turns the latter into AWS's code,
// text and status. [Cache] keeps the derived signing keys between requests.
//
// The checks run in AWS's order and the first failure answers, in AWS's words;
// unlike AWS it never returns the canonical request. Beyond AWS it insists that
// every X-Amz-* header and Content-Type is signed, and that the signature
// covers the body. Everything is safe for concurrent use; memory and time are
// bounded by the size of the request, which the caller caps.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// algorithm is the only one there is; SigV4A (asymmetric) is not taken.
	algorithm = "AWS4-HMAC-SHA256"
	terminal  = "aws4_request"
	// maxSkew is how far a client's clock may be off, as AWS allows.
	maxSkew = 5 * time.Minute
	// maxExpires bounds X-Amz-Expires: a week, as for AWS.
	maxExpires = 7 * 24 * time.Hour
)

// Verifier checks signatures. Its fields are set once, before first use.
type Verifier struct {
	// Keys finds the signing key of an access key.
	Keys Keys
	// Now is the real time; it is compared with the clients' clocks.
	Now func() time.Time
	// Region reports whether a credential may be scoped to the region.
	Region func(region string) bool

	// keepPath leaves dot segments and double slashes in the canonical path,
	// as S3 alone does. Only the signing suite's tests can set it.
	keepPath bool
}

// Identity is what a valid signature proves.
type Identity struct {
	AccessKeyID string
	// Region and Service are the scope of the credential.
	Region, Service string
	// SignedAt is the client's clock when it signed, to the second.
	SignedAt time.Time
	// Presigned: the signature stood in the URL, not in a header.
	Presigned bool
	// SignatureHash is the SHA-256 of the signature in hex. It lets the audit
	// log show a replay without holding what could be replayed.
	SignatureHash string
}

// Verify finds out who signed r. body is the whole request body, read by the
// caller under a limit. services are those the requested operation may be
// signed for; the first is named when the credential is for another.
//
// What the client did wrong is an [*Error]. Any other error comes from Keys and
// says nothing about the request.
func (v *Verifier) Verify(r *http.Request, body []byte, services ...string) (Identity, error) {
	t, err := parseTarget(r)
	if err != nil {
		return Identity{}, err
	}
	c, err := parseClaim(r.Header, t.query)
	if err != nil {
		return Identity{}, err
	}
	id, err := v.prove(r, body, t, c, services)
	if refused := (*Error)(nil); errors.As(err, &refused) {
		refused.AccessKeyID = clip(c.accessKeyID())
	}
	return id, err
}

// prove takes a claim that is complete and finds whether it is true.
func (v *Verifier) prove(r *http.Request, body []byte, t target, c claim, services []string) (Identity, error) {
	names, err := c.signedNames(r.Header)
	if err != nil {
		return Identity{}, err
	}
	at, err := c.signedAt(v.Now())
	if err != nil {
		return Identity{}, err
	}
	cred, err := c.credentialScope(v.Region, services)
	if err != nil {
		return Identity{}, err
	}
	key, refusal, err := v.signingKey(r, cred)
	if err != nil {
		return Identity{}, err
	}
	// From here on the work is the same whether or not the key is known.
	sum, ok := v.signature(r, body, t, c, names, key)
	var want [2 * sha256.Size]byte
	hex.Encode(want[:], sum[:])
	if subtle.ConstantTimeCompare(want[:], []byte(c.signature)) != 1 {
		ok = false
	}
	if refusal != nil {
		return Identity{}, refusal
	}
	if !ok {
		return Identity{}, mismatch()
	}
	hash := sha256.Sum256([]byte(c.signature))
	return Identity{
		AccessKeyID: cred.AccessKeyID, Region: cred.Region, Service: cred.Service,
		SignedAt: at, Presigned: c.presigned, SignatureHash: hex.EncodeToString(hash[:]),
	}, nil
}

// signingKey asks Keys. A key that is unknown comes back as a refusal beside a
// key of zeros, so that the caller does for it what it does for a known one.
func (v *Verifier) signingKey(r *http.Request, cred Credential) (Key, *Error, error) {
	temporary := strings.HasPrefix(cred.AccessKeyID, "ASIA")
	permanent := strings.HasPrefix(cred.AccessKeyID, "AKIA")
	if temporary && cred.Token == "" || permanent && cred.Token != "" {
		return Key{}, invalidToken(), nil
	}
	key, err := v.Keys.SigningKey(r.Context(), cred)
	switch {
	case err == nil:
		return key, nil, nil
	case errors.Is(err, ErrUnknownKey):
		return Key{}, invalidToken(), nil
	case errors.Is(err, ErrExpiredToken):
		return Key{}, expiredToken(), nil
	}
	return Key{}, nil, fmt.Errorf("signing key: %w", err)
}

// signature computes what an honest signer would have sent for this request.
// ok is false when a signed header is absent or the payload is not the one
// that X-Amz-Content-Sha256 names.
func (v *Verifier) signature(r *http.Request, body []byte, t target, c claim, names []string, key Key) (sum [sha256.Size]byte, ok bool) {
	payload := sha256.Sum256(body)
	var sent [2 * sha256.Size]byte
	hex.Encode(sent[:], payload[:])

	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	text, ok := v.canonicalRequest((*buf)[:0], r, t, c, names, sent[:])
	canonical := sha256.Sum256(text)
	text = c.stringToSign(text[:0], canonical)
	mac := hmac.New(sha256.New, key.bytes[:])
	mac.Write(text)
	mac.Sum(sum[:0])
	*buf = text

	// UNSIGNED-PAYLOAD and STREAMING-… are no hash of the body and end here too.
	for _, claimed := range c.payloadHashes(r.Header) {
		if subtle.ConstantTimeCompare(sent[:], []byte(claimed)) != 1 {
			ok = false
		}
	}
	return sum, ok
}
