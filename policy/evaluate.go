package policy

// A finding is what the policies of one layer say about a request.
type finding struct {
	deny  *Statement // the first that denies
	allow *Statement // the closest that allows
	class Class      // of allow
}

// lost denies in place of a policy that should be there and is not.
var lost = &Statement{Effect: Deny}

// evaluate adds what the policies say. A nil policy denies (rule 1.4).
func (f *finding) evaluate(r *Request, bounded bool, policies ...*Policy) {
	for _, p := range policies {
		switch {
		case p == nil:
			f.deny = lost
		case p.unreadable:
			f.deny = p.Statements[0]
		default:
			f.take(r, bounded, p.about(r))
		}
		if f.deny != nil {
			return
		}
	}
}

// take looks at statements about the action. An Allow that could add nothing is
// passed over.
func (f *finding) take(r *Request, bounded bool, statements []*Statement) {
	var m memo
	for _, s := range statements {
		if !s.denies && f.class == Exact {
			continue
		}
		class := s.match(r, bounded, &m)
		switch {
		case class == NoMatch:
		case s.denies:
			f.deny = s
			return
		case class > f.class:
			f.allow, f.class = s, class
		}
	}
}

// Match is a statement that matched a request.
type Match struct {
	Layer     Layer
	Statement *Statement
	Class     Class
}

// Explain lists every statement that matches a request, in the order of
// reporting (rule 1.3) and of the policies, whatever the verdict.
func Explain(r *Request, in *Policies) []Match {
	var all []Match
	in.each(func(l Layer, p *Policy) {
		switch {
		case p == nil:
			all = append(all, Match{l, lost, Exact})
			return
		case p.unreadable:
			all = append(all, Match{l, p.Statements[0], Exact})
			return
		}
		var m memo
		for _, s := range p.about(r) {
			if class := s.match(r, in.Boundary != nil, &m); class != NoMatch {
				all = append(all, Match{l, s, class})
			}
		}
	})
	return all
}
