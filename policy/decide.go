package policy

// Verdict is the outcome of a decision (rule 1.1).
type Verdict int

// The verdicts. The zero one denies.
const (
	ImplicitlyDenied Verdict = iota // nothing allows it
	ExplicitlyDenied                // a Deny matches
	Allowed
)

func (v Verdict) String() string {
	return [...]string{"ImplicitlyDenied", "ExplicitlyDenied", "Allowed"}[v]
}

// Layer is a place where policies apply, in the order of reporting (rule 1.3).
type Layer int

// The layers.
const (
	NoLayer Layer = iota
	ResourceGuardrails
	Guardrails
	OnResource // key or trust policy
	OnIdentity
	OnBoundary
	OnSession
	layers
)

// Policies are what applies to a request, gathered by its asker. A nil entry in
// a list denies; so does [Unreadable], which belongs where a policy could not be
// read.
type Policies struct {
	RCP [][]*Policy // by level, root first, of the resource's account
	SCP [][]*Policy // by level, root first, of the caller's account; none: no limit

	// Resource is the key or trust policy; nil allows nothing. For an operation
	// that no resource policy governs (rule 5.2), say so with IdentityOnly.
	Resource     *Policy
	IdentityOnly bool
	// Grant is how the closest grant that allows the request names the caller in
	// its grantee; NoMatch if there is none.
	Grant Class

	Identity []*Policy // of the user and its groups, or of the role
	Boundary *Policy   // nil: none
	Session  []*Policy // empty: none were passed
}

// Decision is a verdict and what it rests on.
type Decision struct {
	Verdict Verdict
	// Layer is where a Deny matched or an Allow was missing. Of an allowed
	// request, it is where Statement stands.
	Layer Layer
	// Statement denies, or of an allowed request allows: the resource policy's,
	// else the identity policies'. Nil if no statement matched, or the root user
	// or a grant needs none.
	Statement *Statement
}

// Decide says whether the request is allowed. Nothing is unless allowed, and a
// Deny anywhere wins.
func Decide(r *Request, in *Policies) Decision {
	var found [layers]finding
	short := in.evaluate(r, &found)
	for l := range layers {
		if s := found[l].deny; s != nil {
			return Decision{ExplicitlyDenied, l, s}
		}
	}
	if l := in.missing(r, &found, short); l != NoLayer {
		return Decision{ImplicitlyDenied, l, nil}
	}
	for _, l := range [...]Layer{OnResource, OnIdentity} {
		if s := found[l].allow; s != nil {
			return Decision{Allowed, l, s}
		}
	}
	return Decision{Verdict: Allowed}
}

// missing returns the first layer that lacks an Allow, or NoLayer.
func (in *Policies) missing(r *Request, found *[layers]finding, short bool) Layer {
	switch {
	case short:
		return Guardrails
	case r.foreign() && (in.IdentityOnly || !crossAccount[r.folded]):
		return OnResource // rule 3.8
	case in.IdentityOnly:
		return in.lacks(r, found, Account)
	}
	// Two paths, each enough (rules 5.1, 6.2). Naming a foreign caller in a key
	// policy does not spare it the Allow of its own account; a grant does (6.1).
	byPolicy := found[OnResource].class
	if r.foreign() {
		byPolicy = min(byPolicy, Account)
	}
	l := in.lacks(r, found, byPolicy)
	if l != NoLayer && in.Grant != NoMatch {
		if g := in.lacks(r, found, in.Grant); g == NoLayer || byPolicy == NoMatch {
			return g
		}
	}
	return l
}

// lacks applies the table of rule 5.3 to a path of some class.
func (in *Policies) lacks(r *Request, found *[layers]finding, path Class) Layer {
	allows := func(l Layer) bool { return found[l].allow != nil }
	switch kind := r.principal.Kind; {
	case path == NoMatch:
		return OnResource
	case path == Exact:
		return NoLayer
	case path == Account && kind != Root && !allows(OnIdentity):
		return OnIdentity
	case in.Boundary != nil && !allows(OnBoundary):
		return OnBoundary
	case (len(in.Session) > 0 || kind == FederatedUser) && !allows(OnSession): // rule 5.5
		return OnSession
	}
	return NoLayer
}

// evaluate asks every policy. Short reports whether a level of SCPs allows nothing (rule 8.1).
func (in *Policies) evaluate(r *Request, found *[layers]finding) (short bool) {
	bounded := in.Boundary != nil
	for _, level := range in.RCP { // each level allows all by itself
		found[ResourceGuardrails].evaluate(r, bounded, level...)
	}
	for _, level := range in.SCP {
		f := &found[Guardrails]
		f.allow, f.class = nil, NoMatch // every level must allow for itself
		f.evaluate(r, bounded, level...)
		short = short || f.allow == nil
	}
	if in.Resource != nil {
		found[OnResource].evaluate(r, bounded, in.Resource)
	}
	found[OnIdentity].evaluate(r, bounded, in.Identity...)
	if bounded {
		found[OnBoundary].evaluate(r, bounded, in.Boundary)
	}
	found[OnSession].evaluate(r, bounded, in.Session...)
	return short
}

// each visits the policies in the order of reporting.
func (in *Policies) each(visit func(l Layer, p *Policy)) {
	list := func(l Layer, policies ...*Policy) {
		for _, p := range policies {
			visit(l, p)
		}
	}
	for _, level := range in.RCP {
		list(ResourceGuardrails, level...)
	}
	for _, level := range in.SCP {
		list(Guardrails, level...)
	}
	if in.Resource != nil {
		visit(OnResource, in.Resource)
	}
	list(OnIdentity, in.Identity...)
	if in.Boundary != nil {
		visit(OnBoundary, in.Boundary)
	}
	list(OnSession, in.Session...)
}
