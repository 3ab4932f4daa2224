package command

import (
	"encoding/json"
	"regexp"
	"strings"
)

// denial is what AWS's text for an access that was denied says (the words are
// the same in every service).
type denial struct{ who, action, resource, because string }

var denialText = regexp.MustCompile(`^[Uu]ser: (\S+) is not authorized to perform: ([A-Za-z0-9-]+:[A-Za-z0-9]+) on resource: (\S+) ((?:because|with) .+)$`)

// readDenial finds the parts of a denial; false if the message is another one.
func readDenial(message string) (denial, bool) {
	m := denialText.FindStringSubmatch(message)
	if m == nil {
		return denial{}, false
	}
	return denial{m[1], m[2], m[3], m[4]}, true
}

// grant is a statement that would allow what was denied. Principal is empty in
// identity policies, and Resource in trust policies.
type grant struct{ principal, action, resource string }

// granting says what to do about a denial: the statement that would allow it,
// to copy, and where it belongs.
func granting(a answer, message string) answer {
	d, ok := readDenial(message)
	if !ok {
		return a
	}
	if strings.HasPrefix(d.because, "with an explicit deny") {
		a.hint = "no allow outweighs an explicit deny; see the statement: keyctl policy simulate --principal " + d.who +
			" --action " + d.action + " --resource '" + d.resource + "'"
		return a
	}
	g, where := grant{action: d.action, resource: d.resource}, "an identity policy of the caller"
	switch {
	case strings.Contains(d.because, "no resource-based policy"):
		g.principal, where = d.who, "the policy of the resource (keyctl key policy put, keyctl role trust put)"
		if strings.HasPrefix(d.action, "kms:") {
			g.resource = "*" // in a key policy: this key
		}
		if strings.HasPrefix(d.action, "sts:") {
			g.resource = "" // a trust policy has none
		}
	case strings.Contains(d.because, "no permissions boundary"):
		where = "the caller's permissions boundary as well"
	case strings.Contains(d.because, "no session policy"):
		where = "the session policy, which was given when the session was made"
	case strings.Contains(d.because, "no service control policy"), strings.Contains(d.because, "no resource control policy"):
		where = "the guardrails in keyd's configuration"
	}
	a.hint = "this statement would allow it, in " + where + ": " + g.String()
	return a
}

// String is the statement on one line. Its parts come from denialText, but
// what came from outside is quoted as JSON all the same.
func (g grant) String() string {
	text := `{"Effect": "Allow"`
	if g.principal != "" {
		text += `, "Principal": {"AWS": ` + quoted(g.principal) + `}`
	}
	text += `, "Action": ` + quoted(g.action)
	if g.resource != "" {
		text += `, "Resource": ` + quoted(g.resource)
	}
	return text + "}"
}

// quoted is a JSON string.
func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(text)
}
