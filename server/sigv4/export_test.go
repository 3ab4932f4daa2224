package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
)

// KeepPath makes the verifier canonicalise paths as S3 does, which the signing
// suite covers and keyd never does.
func (v *Verifier) KeepPath() { v.keepPath = true }

// Texts returns the canonical request and the string to sign of a request.
func (v *Verifier) Texts(r *http.Request, body []byte) (canonical, toSign string, err error) {
	t, err := parseTarget(r)
	if err != nil {
		return "", "", err
	}
	c, err := parseClaim(r.Header, t.query)
	if err != nil {
		return "", "", err
	}
	names, err := c.signedNames(r.Header)
	if err != nil {
		return "", "", err
	}
	payload := sha256.Sum256(body)
	text, _ := v.canonicalRequest(nil, r, t, c, names, hex.AppendEncode(nil, payload[:]))
	return string(text), string(c.stringToSign(nil, sha256.Sum256(text))), nil
}
