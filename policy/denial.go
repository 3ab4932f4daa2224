package policy

import "strings"

// Denial is the text with which AWS refuses the request (section 11). It is
// empty if the request is allowed.
func (d Decision) Denial(r *Request) string {
	if d.Verdict == Allowed {
		return ""
	}
	who := r.principal.ARN
	if who == "" {
		who = "anonymous"
	}
	return "User: " + who + " is not authorized to perform: " + r.action + " on resource: " + r.resource + " " + d.because(r.action)
}

func (d Decision) because(action string) string {
	name := d.Layer.String()
	if d.Verdict == ExplicitlyDenied {
		article := "a "
		if strings.HasPrefix(name, "i") {
			article = "an "
		}
		return "with an explicit deny in " + article + name
	}
	return "because no " + name + " allows the " + action + " action"
}

// String is what denial texts call the layer.
func (l Layer) String() string {
	switch l {
	case ResourceGuardrails:
		return "resource control policy"
	case Guardrails:
		return "service control policy"
	case OnResource:
		return "resource-based policy"
	case OnIdentity:
		return "identity-based policy"
	case OnBoundary:
		return "permissions boundary"
	case OnSession:
		return "session policy"
	}
	return "policy"
}
