package policy

import "maps"

// An index keeps this many actions, which bounds its memory; others are looked
// up each time. Those under one policy rarely use more.
const maxIndexed = 64

// compile makes the rule of every statement.
func (p *Policy) compile() {
	for _, s := range p.Statements {
		s.compile(p.Kind, p.Version == Version2012)
	}
	p.index.Store(&map[string][]*Statement{})
}

// about lists the statements that are about the request's action, in order. The
// answer is kept, so that the next request for the action compares no actions.
// This changes no answer, only its price; the kept map itself never changes.
func (p *Policy) about(r *Request) []*Statement {
	known := p.index.Load()
	if list, ok := (*known)[r.folded]; ok {
		return list
	}
	list := []*Statement{}
	for _, s := range p.Statements {
		if !s.idle && s.acts(r) {
			list = append(list, s)
		}
	}
	if len(*known) < maxIndexed {
		grown := maps.Clone(*known)
		grown[r.folded] = list
		p.index.CompareAndSwap(known, &grown) // if another was faster, the next request adds it
	}
	return list
}
