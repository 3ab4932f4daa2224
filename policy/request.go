package policy

import "strings"

// PrincipalKind says what a caller is.
type PrincipalKind int

// The kinds of caller (rule 2.1). The zero kind has proved nothing: no
// statement allows it anything, and every Deny to "*" hits it.
const (
	Anonymous     PrincipalKind = iota
	Root                        // the account's root user
	User                        // a user, or a GetSessionToken session of one
	RoleSession                 // a session of an assumed role
	FederatedUser               // a GetFederationToken session
	WebIdentity                 // the bearer of an OIDC token, while it assumes a role
)

// Principal is a caller with all the names by which policies may mean it.
type Principal struct {
	Kind    PrincipalKind
	Account string // 12 digits; of a web identity, that of its provider
	// ARN is the exact one: of the user, of the session (sts …:assumed-role/role/session,
	// sts …:federated-user/name), or arn:aws:iam::A:root.
	ARN string
	// ParentARN is that of a session's role, with path, or of a federated
	// session's user. Empty for others.
	ParentARN string
	// ID is the unique id of a user (AIDA…), ParentID that of a session's role
	// (AROA…) or federating user. Policies are bound to them (rule 2.4).
	ID, ParentID string
	// Provider is the ARN of the OIDC provider that vouches for a web identity.
	Provider string
}

// Request is one question: may the principal do the action on the resource? It
// does not change once made.
type Request struct {
	principal Principal
	delegate  string // the account principal of the caller's account
	owner     string // account of the resource
	context   *Context

	action, resource string // as asked; for texts
	vendor, name     string // of the action, lower case
	folded           string // the action, lower case
	target           arn    // what resource patterns are matched with
}

// Target is what a request is about.
type Target struct {
	Action string // "kms:Encrypt"
	// Resource is an ARN, or "*" for an operation without a resource. Operations
	// on a key give the key's ARN even if the caller named an alias (rule 3.6).
	Resource string
	Account  string // that owns the resource
	Region   string // where an operation without a resource happens
}

// NewRequest makes a request. A nil context has no keys.
func NewRequest(p Principal, t Target, c *Context) *Request {
	if c == nil {
		c = new(Context)
	}
	r := &Request{principal: p, owner: t.Account, context: c, action: t.Action, resource: t.Resource}
	r.folded = strings.ToLower(t.Action)
	r.vendor, r.name, _ = strings.Cut(r.folded, ":")
	if p.Account != "" {
		r.delegate = rootARN(p.Account)
	}
	if t.Resource == "*" { // rule 3.6: a policy may say "*" or arn:P:kms:R:A:*
		t.Resource = "arn:aws:" + r.vendor + ":" + t.Region + ":" + t.Account + ":*"
	}
	r.target, _ = cutARN(t.Resource)
	return r
}

// foreign reports whether the resource belongs to another account than the caller.
func (r *Request) foreign() bool { return r.principal.Account != r.owner }

func rootARN(account string) string { return "arn:aws:iam::" + account + ":root" }
