package sigv4

import (
	"net/http"
	"slices"
	"strings"
)

// claim is what a request says of its own signature, not yet believed.
type claim struct {
	presigned  bool
	credential string
	signed     string // SignedHeaders: lower case, sorted, joined by ";"
	signature  string
	date       string
	token      string // X-Amz-Security-Token, "" for none
	expires    string // X-Amz-Expires, presigned only; "" for none
	payload    string // X-Amz-Content-Sha256 of the query, "" for none
}

// parseClaim finds the one place where the request is signed: check 5 of AWS's
// order, then 6, the completeness of what stands there.
func parseClaim(h http.Header, query []param) (claim, error) {
	header := h["Authorization"]
	presigned := slices.ContainsFunc(query, func(p param) bool { return p.name == "X-Amz-Algorithm" })
	switch {
	case presigned && len(header) > 0:
		return claim{}, mismatch()
	case presigned:
		return queryClaim(h, query)
	case len(header) == 0 || len(header) == 1 && header[0] == "":
		return claim{}, &Error{Kind: MissingAuthenticationToken, Message: "Request is missing Authentication Token"}
	case len(header) > 1:
		return claim{}, incomplete("Authorization header must be sent once.")
	}
	return headerClaim(h, header[0])
}

// headerClaim reads `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
func headerClaim(h http.Header, value string) (claim, error) {
	alg, rest, _ := strings.Cut(value, " ")
	if alg != algorithm {
		return claim{}, unsupported(alg)
	}
	var c claim
	fields := []field{
		{name: "Credential", value: &c.credential},
		{name: "Signature", value: &c.signature},
		{name: "SignedHeaders", value: &c.signed},
	}
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, ",")
		name, val, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok {
			return claim{}, incomplete("Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '" + digest(value) + "'.")
		}
		if !set(fields, name, val) {
			return claim{}, incomplete("Authorization header must not repeat the '" + name + "' parameter.")
		}
	}
	missing := absent(fields, "Authorization header requires '", "' parameter.")
	date, dated := single(h, "X-Amz-Date")
	if date == "" && dated {
		date, dated = single(h, "Date")
	}
	token, once := single(h, "X-Amz-Security-Token")
	if !dated || !once {
		return claim{}, incomplete("'X-Amz-Date', 'Date' and 'X-Amz-Security-Token' headers must not be repeated.")
	}
	if date == "" {
		missing = append(missing, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if missing != nil {
		return claim{}, incomplete(strings.Join(missing, " ") + " (Hashed with SHA-256 and encoded with Base64) Authorization=" + digest(value))
	}
	c.date, c.token = date, token
	return c, nil
}

// queryClaim reads the X-Amz-* parameters of a presigned URL.
func queryClaim(h http.Header, query []param) (claim, error) {
	c := claim{presigned: true}
	var alg string
	fields := []field{
		{name: "X-Amz-Algorithm", value: &alg},
		{name: "X-Amz-Credential", value: &c.credential},
		{name: "X-Amz-Signature", value: &c.signature},
		{name: "X-Amz-SignedHeaders", value: &c.signed},
		{name: "X-Amz-Date", value: &c.date},
		{name: "X-Amz-Expires", value: &c.expires, optional: true},
		{name: "X-Amz-Security-Token", value: &c.token, optional: true},
		{name: "X-Amz-Content-Sha256", value: &c.payload, optional: true},
	}
	for _, p := range query {
		if !set(fields, p.name, p.value) {
			return claim{}, incomplete("AWS query-string parameters must not repeat '" + p.name + "'. Re-examine the query-string parameters.")
		}
	}
	if alg != algorithm {
		return claim{}, unsupported(alg)
	}
	if missing := absent(fields, "AWS query-string parameters must include '", "'."); missing != nil {
		return claim{}, incomplete(strings.Join(missing, " ") + " Re-examine the query-string parameters.")
	}
	// A token in a header as well would leave open which of the two is meant.
	if len(h["X-Amz-Security-Token"]) > 0 {
		return claim{}, mismatch()
	}
	return c, nil
}

// field is a parameter of a signature: its name, where its value goes, and
// whether it was met already.
type field struct {
	name     string
	value    *string
	optional bool
	met      bool
}

// set stores value under name and reports false when the name was met before.
// Names that mean nothing to a signature pass.
func set(fields []field, name, value string) bool {
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return true
	}
	if fields[i].met {
		return false
	}
	fields[i].met = true
	*fields[i].value = value
	return true
}

// absent names the fields without a value, each between before and after.
func absent(fields []field, before, after string) (missing []string) {
	for _, f := range fields {
		if *f.value == "" && !f.optional {
			missing = append(missing, before+f.name+after)
		}
	}
	return missing
}

// single returns the header's value, "" when absent; ok is false when it was
// sent more than once. name is in canonical form.
func single(h http.Header, name string) (value string, ok bool) {
	switch v := h[name]; len(v) {
	case 0:
		return "", true
	case 1:
		return v[0], true
	default:
		return "", false
	}
}

// accessKeyID is the first part of the credential, as claimed.
func (c claim) accessKeyID() string {
	id, _, _ := strings.Cut(c.credential, "/")
	return id
}

// payloadHashes are all the hashes the client sent for the body.
func (c claim) payloadHashes(h http.Header) []string {
	sent := h["X-Amz-Content-Sha256"]
	if c.payload != "" {
		sent = append(slices.Clip(sent), c.payload)
	}
	return sent
}
