package sigv4

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// timeFormat is ISO 8601 basic format, the only one a signature's date may have.
const timeFormat = "20060102T150405Z"

// maxSigned bounds the names in SignedHeaders; clients sign about ten.
const maxSigned = 64

// signedNames splits SignedHeaders and checks that it covers what decides the
// meaning of a request: check 7, and ours beyond it.
func (c claim) signedNames(h http.Header) ([]string, error) {
	if strings.Count(c.signed, ";") >= maxSigned {
		return nil, mismatch()
	}
	names := strings.Split(c.signed, ";")
	for i := 1; i < len(names); i++ {
		if names[i-1] >= names[i] {
			return nil, mismatch()
		}
	}
	if _, ok := slices.BinarySearch(names, "host"); !ok {
		return nil, mustSign("Host' or ':authority")
	}
	unsigned := ""
	for name := range h {
		if !governs(name) || slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			continue
		}
		if unsigned == "" || name < unsigned {
			unsigned = name
		}
	}
	if unsigned != "" {
		return nil, mustSign(clip(unsigned))
	}
	return names, nil
}

// governs reports whether a header may change what a request does, so that it
// must be signed: with X-Amz-Target left open, a captured Encrypt could be
// replayed as ScheduleKeyDeletion.
func governs(name string) bool {
	const prefix = "X-Amz-"
	return name == "Content-Type" || len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// signedAt reads the date and holds it against the clock: checks 8 and 9.
func (c claim) signedAt(now time.Time) (time.Time, error) {
	now = now.UTC()
	at, err := time.Parse(timeFormat, c.date)
	// Parse takes fractions of a second that the format does not have.
	if err != nil || len(c.date) != len(timeFormat) {
		return time.Time{}, incomplete("Date must be in ISO-8601 'basic format'. Got '" + clip(c.date) + "'. See http://en.wikipedia.org/wiki/ISO_8601")
	}
	if at.Sub(now) > maxSkew {
		return time.Time{}, notYet(at, now)
	}
	valid := maxSkew
	if c.expires != "" {
		seconds, err := strconv.ParseUint(c.expires, 10, 32)
		valid = time.Duration(seconds) * time.Second
		if err != nil || valid < time.Second || valid > maxExpires {
			return time.Time{}, incomplete("X-Amz-Expires must be a number of seconds from 1 to 604800.")
		}
	}
	if now.Sub(at) > valid {
		return time.Time{}, expired(at, now, valid)
	}
	return at, nil
}

// credentialScope takes the credential apart and checks what it is good for:
// check 10.
func (c claim) credentialScope(region func(string) bool, services []string) (Credential, error) {
	parts := strings.SplitN(c.credential, "/", 6)
	if len(parts) != 5 || parts[0] == "" {
		return Credential{}, incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '" + clip(c.credential) + "'")
	}
	cred := Credential{AccessKeyID: parts[0], Date: parts[1], Region: parts[2], Service: parts[3], Token: c.token}
	var wrong []string
	if !region(cred.Region) {
		wrong = append(wrong, "Credential should be scoped to a valid region.")
	}
	if !slices.Contains(services, cred.Service) {
		first := ""
		if len(services) > 0 {
			first = services[0]
		}
		wrong = append(wrong, "Credential should be scoped to correct service: '"+first+"'.")
	}
	if parts[4] != terminal {
		wrong = append(wrong, "Credential should be scoped with a valid terminator: '"+terminal+"'.")
	}
	if day := c.date[:len("20060102")]; cred.Date != day {
		wrong = append(wrong, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '"+clip(cred.Date)+"' != '"+day+"', from '"+c.date+"'.")
	}
	if wrong != nil {
		return Credential{}, &Error{Kind: SignatureDoesNotMatch, Message: strings.Join(wrong, " ")}
	}
	return cred, nil
}
