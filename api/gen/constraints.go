package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// constraints writes a rule for every shape that inputs use and the model
// constrains, and a Check method for every structure that has such members.
func (g *generator) constraints(w *writer) error {
	used := g.reachable()
	var checks writer
	for _, name := range used {
		if s := g.model.Shapes.get(name); s.Type == "structure" && g.constrained(name, nil) {
			if err := g.check(&checks, name, s); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	methods := checks.String()
	w.f("// What the model says of single values, by the names of their shapes.\nvar (\n")
	for _, name := range used {
		v := "rule" + exported(name)
		if strings.Contains(methods, "&"+v+")") || strings.Contains(methods, "&"+v+",") {
			w.f("%s = api.Rule{%s}\n", v, rule(g.model.Shapes.get(name)))
		}
	}
	w.f(")\n\n%s", methods)
	return nil
}

// rule writes the fields of a shape's api.Rule.
func rule(s *shape) string {
	least, most := "api.NoMin", "api.NoMax"
	if s.Min != nil {
		least = strconv.FormatInt(*s.Min, 10)
	}
	if s.Max != nil {
		most = strconv.FormatInt(*s.Max, 10)
	}
	text := "Min: " + least + ", Max: " + most
	if s.Pattern != "" {
		text += fmt.Sprintf(", Pattern: api.NewPattern(%q, %q)", s.Pattern, s.RE2)
	}
	if s.Enum != nil {
		text += ", Enum: []string{" + quoted(s.Enum) + "}"
	}
	if s.Sensitive {
		text += ", Sensitive: true"
	}
	return text
}

// check writes the Check method of a structure.
func (g *generator) check(w *writer, name string, s *shape) error {
	w.f("// Check tells c what of x the model forbids.\n")
	w.f("func (x *%s) Check(c *api.Checker) {\n", exported(name))
	for _, member := range s.Members.names {
		target := s.Members.get(member).Shape
		required := slices.Contains(s.Required, member)
		checked := g.constrained(target, nil)
		field := "x." + exported(member)
		switch {
		case required && checked:
			w.f("if %s == nil {\nc.Missing(%q)\n} else {\n", field, path(member))
		case required:
			w.f("if %s == nil {\nc.Missing(%q)\n}\n", field, path(member))
			continue
		case checked:
			w.f("if %s != nil {\n", field)
		default:
			continue
		}
		if err := g.checkValue(w, path(member), field, target); err != nil {
			return err
		}
		w.f("}\n")
	}
	w.f("}\n\n")
	return nil
}

// checkValue writes the check of a member that is present.
func (g *generator) checkValue(w *writer, name, field, target string) error {
	s := g.model.Shapes.get(target)
	switch s.Type {
	case "string":
		value := "*" + field
		if s.Enum != nil || s.Sensitive {
			value = "string(" + value + ")"
		}
		w.f("c.String(%q, %s, &rule%s)\n", name, value, exported(target))
	case "blob":
		w.f("c.Blob(%q, %s, &rule%s)\n", name, field, exported(target))
	case "integer", "long":
		w.f("c.Int(%q, int64(*%s), &rule%s)\n", name, field, exported(target))
	case "structure":
		w.f("c.Enter(%q, 0)\n%s.Check(c)\nc.Leave()\n", name, field)
	case "list":
		return g.checkList(w, name, field, target, s)
	case "map":
		key, value := s.Key.Shape, s.Value.Shape
		if g.model.Shapes.get(key).Type != "string" || g.model.Shapes.get(value).Type != "string" {
			return fmt.Errorf("shape %s: map of other than strings not supported", target)
		}
		w.f("api.CheckMap(c, %q, %s, &rule%s, &rule%s, &rule%s)\n", name, field,
			exported(target), exported(key), exported(value))
	default:
		return fmt.Errorf("shape %s: constraint on %s not supported", target, s.Type)
	}
	return nil
}

func (g *generator) checkList(w *writer, name, field, target string, s *shape) error {
	elem := s.Member.Shape
	switch g.model.Shapes.get(elem).Type {
	case "string":
		w.f("api.CheckStrings(c, %q, %s, &rule%s, &rule%s)\n", name, field,
			exported(target), exported(elem))
	case "structure":
		w.f("c.List(%q, len(%s), &rule%s, %q)\n", name, field, exported(target), exported(elem))
		if g.constrained(elem, nil) {
			w.f("for i := range %s {\nc.Enter(%q, i+1)\n%s[i].Check(c)\nc.Leave()\n}\n", field, name, field)
		}
	default:
		return fmt.Errorf("shape %s: list of %s not supported", target, elem)
	}
	return nil
}

// constrained reports whether the model says anything about values of a shape,
// or about parts of them. Shapes on the way, seen, are not followed again.
func (g *generator) constrained(name string, seen []string) bool {
	if slices.Contains(seen, name) {
		return false
	}
	seen = append(seen, name)
	s := g.model.Shapes.get(name)
	if s.Min != nil || s.Max != nil || s.Pattern != "" || s.Enum != nil || len(s.Required) > 0 {
		return true
	}
	return slices.ContainsFunc(s.parts(), func(part string) bool { return g.constrained(part, seen) })
}

// reachable lists the shapes that inputs are made of, sorted.
func (g *generator) reachable() []string {
	seen := make(map[string]bool)
	var list []string
	var walk func(string)
	walk = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		list = append(list, name)
		for _, part := range g.model.Shapes.get(name).parts() {
			walk(part)
		}
	}
	for _, name := range g.model.Operations.names {
		if in := g.model.Operations.get(name).Input; in != nil {
			walk(in.Shape)
		}
	}
	slices.Sort(list)
	return list
}

// parts lists the shapes that a shape is made of.
func (s *shape) parts() []string {
	var list []string
	for _, m := range s.Members.names {
		list = append(list, s.Members.get(m).Shape)
	}
	for _, r := range []ref{s.Member, s.Key, s.Value} {
		if r.Shape != "" {
			list = append(list, r.Shape)
		}
	}
	return list
}
