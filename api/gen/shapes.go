package main

import (
	"fmt"
	"slices"
	"strings"
)

// shapes writes a struct for every structure that is not an exception, and an
// empty one for every operation without input.
func (g *generator) shapes(w *writer) error {
	roles := g.roles()
	for _, name := range slices.Sorted(slices.Values(g.model.Shapes.names)) {
		s := g.model.Shapes.get(name)
		if s.Type != "structure" || s.Exception {
			continue
		}
		w.f("// %s is %s.\n", exported(name), roles.of(name, g.model.Metadata.ServiceID))
		if err := g.structure(w, name, s); err != nil {
			return err
		}
	}
	for _, name := range g.model.Operations.names {
		if g.model.Operations.get(name).Input == nil {
			w.f("// %s is the empty input of %s.\ntype %[1]s struct{}\n\n", name+"Request", name)
		}
	}
	return nil
}

func (g *generator) structure(w *writer, name string, s *shape) error {
	if len(s.Members.names) == 0 {
		w.f("type %s struct{}\n\n", exported(name))
		return nil
	}
	w.f("type %s struct {\n", exported(name))
	for _, member := range s.Members.names {
		t, err := g.fieldType(s.Members.get(member).Shape)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", name, member, err)
		}
		w.f("%s %s `json:\"%s,omitempty\"`", exported(member), t, member)
		if slices.Contains(s.Required, member) {
			w.f(" // required")
		}
		w.f("\n")
	}
	w.f("}\n\n")
	return nil
}

// roles says which operations a structure is input or output of.
type roles map[string][]string

func (g *generator) roles() roles {
	r := make(roles)
	for _, name := range g.model.Operations.names {
		op := g.model.Operations.get(name)
		if op.Input != nil {
			r[op.Input.Shape] = append(r[op.Input.Shape], "the input of "+name)
		}
		if op.Output != nil {
			r[op.Output.Shape] = append(r[op.Output.Shape], "the output of "+name)
		}
	}
	return r
}

func (r roles) of(name, service string) string {
	if list := r[name]; list != nil {
		return strings.Join(list, " and ")
	}
	return "part of inputs or outputs of " + service
}
