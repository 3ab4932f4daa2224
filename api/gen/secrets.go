package main

import "slices"

// secrets writes a Format method for every structure that holds something
// sensitive, itself or below, so that no verb of package fmt shows it.
func (g *generator) secrets(w *writer) error {
	for _, name := range slices.Sorted(slices.Values(g.model.Shapes.names)) {
		s := g.model.Shapes.get(name)
		if s.Type != "structure" || s.Exception || !g.secret(name, nil) {
			continue
		}
		w.f("// Format writes x with its secrets redacted, whatever the verb.\n")
		w.f("func (x %s) Format(f fmt.State, _ rune) { api.Print(f, %[1]q, x) }\n\n", exported(name))
	}
	return nil
}

// secret reports whether a shape is sensitive or made of one that is. Shapes on
// the way, seen, are not followed again.
func (g *generator) secret(name string, seen []string) bool {
	if slices.Contains(seen, name) {
		return false
	}
	s := g.model.Shapes.get(name)
	seen = append(seen, name)
	return s.Sensitive || slices.ContainsFunc(s.parts(), func(part string) bool { return g.secret(part, seen) })
}
