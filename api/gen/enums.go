package main

import (
	"fmt"
	"slices"
)

// enums writes a named string type, its constants and the list of its values
// for every enum.
func (g *generator) enums(w *writer) error {
	for _, name := range slices.Sorted(slices.Values(g.model.Shapes.names)) {
		s := g.model.Shapes.get(name)
		if s.Enum == nil {
			continue
		}
		if err := enum(w, name, s); err != nil {
			return err
		}
	}
	return nil
}

func enum(w *writer, name string, s *shape) error {
	typ := exported(name)
	w.f("// %s is a string of a fixed set; a value received may lie outside it.\n", typ)
	w.f("type %s string\n\n", typ)
	w.f("// The values of %s.\nconst (\n", typ)
	seen := make(map[string]bool)
	for _, v := range s.Enum {
		c := constant(name, v)
		if seen[c] {
			return fmt.Errorf("enum %s: two values named %s", name, c)
		}
		seen[c] = true
		w.f("%s %s = %q\n", c, typ, v)
	}
	w.f(")\n\n// Values lists all values of %s, in the order of the model.\n", typ)
	w.f("func (%s) Values() []%[1]s {\nreturn []%[1]s{\n", typ)
	for _, v := range s.Enum {
		w.f("%s,\n", constant(name, v))
	}
	w.f("}\n}\n\n")
	return nil
}
