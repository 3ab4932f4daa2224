package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// buffers holds the space in which canonical requests are written.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

// param is one parameter of the query, decoded.
type param struct{ name, value string }

// target is the request line, split: the path as sent, byte by byte, and the
// query.
type target struct {
	path  string
	query []param
}

// parseTarget reads the raw request target: checks 1 to 4 of AWS's order. It
// does not use r.URL, which no longer has the bytes that were signed.
func parseTarget(r *http.Request) (target, error) {
	path, raw, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") {
		return target{}, malformed("Path is not absolute.")
	}
	if !escaped(path) {
		return target{}, malformed("Illegal escape sequence in the path.")
	}
	if _, ok := segments(path); !ok {
		return target{}, malformed("Relative path entry '..' navigates above root.")
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return target{}, malformed("Unsupported request method.")
	}
	if len(r.Header["Content-Type"]) > 1 {
		return target{}, malformed("The Content-Type header must be sent once.")
	}
	query, ok := parseQuery(raw)
	if !ok {
		return target{}, malformed("Illegal escape sequence in the query string.")
	}
	return target{path, query}, nil
}

// segments resolves empty, "." and ".." segments; ok is false when the path
// leaves the root.
func segments(path string) (out []string, ok bool) {
	for s := range strings.SplitSeq(path, "/") {
		switch s {
		case "", ".":
		case "..":
			if len(out) == 0 {
				return nil, false
			}
			out = out[:len(out)-1]
		default:
			out = append(out, s)
		}
	}
	return out, true
}

// parseQuery splits and decodes a query as Go's form parser does, "+" being a
// space, so that the handler acts on the parameters that were signed. A
// semicolon separates nothing.
func parseQuery(raw string) (query []param, ok bool) {
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if !escaped(name) || !escaped(value) {
			return nil, false
		}
		query = append(query, param{unescape(name), unescape(value)})
	}
	return query, true
}

// escaped reports whether each percent sign begins an escape of two hex digits.
func escaped(s string) bool {
	for i := strings.IndexByte(s, '%'); i >= 0 && i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0 {
			return false
		}
	}
	return true
}

// unescape decodes a query's name or value whose escapes are well formed.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '+':
			out = append(out, ' ')
		case '%':
			out = append(out, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return string(out)
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// canonicalRequest appends the text whose hash is signed. ok is false when a
// header in names is not in the request: no honest client signs what it does
// not send.
func (v *Verifier) canonicalRequest(b []byte, r *http.Request, t target, c claim, names []string, payload []byte) (_ []byte, ok bool) {
	b = append(b, r.Method...)
	b = append(b, '\n')
	b = v.appendPath(b, t.path)
	b = append(b, '\n')
	b = appendQuery(b, t.query, c.presigned)
	b = append(b, '\n')
	ok = true
	for _, name := range names {
		b = append(b, name...)
		b = append(b, ':')
		var present bool
		b, present = appendHeader(b, r, name)
		ok = ok && present
		b = append(b, '\n')
	}
	b = append(b, '\n')
	b = append(b, c.signed...)
	b = append(b, '\n')
	return append(b, payload...), ok
}

// stringToSign appends what the signing key is applied to.
func (c claim) stringToSign(b []byte, canonical [sha256.Size]byte) []byte {
	b = append(b, algorithm...)
	b = append(b, '\n')
	b = append(b, c.date...)
	b = append(b, '\n')
	_, scope, _ := strings.Cut(c.credential, "/")
	b = append(b, scope...)
	b = append(b, '\n')
	return hex.AppendEncode(b, canonical[:])
}

// appendPath writes the canonical path: dot segments resolved, then encoded
// once more than it was for the wire, as every service but S3 wants it.
func (v *Verifier) appendPath(b []byte, path string) []byte {
	if v.keepPath {
		return appendEscaped(b, path, '/')
	}
	kept, _ := segments(path)
	for _, s := range kept {
		b = append(b, '/')
		b = appendEscaped(b, s, '/')
	}
	if len(kept) == 0 || strings.HasSuffix(path, "/") {
		b = append(b, '/')
	}
	return b
}

// appendQuery writes the parameters encoded and sorted, without the signature
// of a presigned URL, which cannot sign itself.
func appendQuery(b []byte, query []param, presigned bool) []byte {
	encoded := make([]param, 0, len(query))
	for _, p := range query {
		if presigned && p.name == "X-Amz-Signature" {
			continue
		}
		encoded = append(encoded, param{
			string(appendEscaped(nil, p.name, 0)), string(appendEscaped(nil, p.value, 0)),
		})
	}
	slices.SortFunc(encoded, func(a, b param) int {
		if n := strings.Compare(a.name, b.name); n != 0 {
			return n
		}
		return strings.Compare(a.value, b.value)
	})
	for i, p := range encoded {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, p.name...)
		b = append(b, '=')
		b = append(b, p.value...)
	}
	return b
}

// appendEscaped percent-encodes all but RFC 3986's unreserved characters and
// the byte keep.
func appendEscaped(b []byte, s string, keep byte) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == keep && keep != 0:
			b = append(b, c)
		default:
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

// appendHeader writes a header's values, trimmed, runs of spaces made one,
// joined by commas. net/http moves some headers out of the map.
func appendHeader(b []byte, r *http.Request, name string) (_ []byte, ok bool) {
	switch name {
	case "host":
		return append(b, r.Host...), r.Host != ""
	case "content-length":
		if r.Header["Content-Length"] == nil && r.ContentLength >= 0 {
			return strconv.AppendInt(b, r.ContentLength, 10), true
		}
	}
	var key [128]byte
	if len(name) > len(key) {
		return b, false
	}
	values, ok := r.Header[string(canonicalName(key[:0], name))]
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTrimmed(b, value)
	}
	return b, ok
}

// canonicalName is http.CanonicalHeaderKey without its allocation, for names
// in lower case.
func canonicalName(b []byte, name string) []byte {
	upper := true
	for i := range len(name) {
		c := name[i]
		if upper && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		b = append(b, c)
		upper = c == '-'
	}
	return b
}

func appendTrimmed(b []byte, value string) []byte {
	value = strings.Trim(value, " \t")
	for i := range len(value) {
		if value[i] == ' ' && value[i-1] == ' ' {
			continue
		}
		b = append(b, value[i])
	}
	return b
}
