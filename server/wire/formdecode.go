package wire

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/keyd-hsm/keyd/api"
)

// Decode reads the parameters into in, a pointer to a generated input:
// structures as Name.Member, lists as Name.member.1, maps as Name.entry.1.key
// and Name.entry.1.value. Parameters that the shape lacks are ignored; an empty
// Name alone is an empty list or map, as botocore sends it.
//
// It refuses with a *[SerializationError] values of the wrong type, list numbers
// that do not count 1, 2, 3 and so on. A list has no more elements than the form
// has parameters, and a large number costs nothing.
func (f Form) Decode(in any) error {
	p, v := target(in)
	return f.structure(p, v, "")
}

// structure reads the parameters below prefix into the fields of v.
func (f Form) structure(p *plan, v reflect.Value, prefix string) error {
	for i := range p.fields {
		if err := f.member(&p.fields[i], v.Field(i), prefix+p.fields[i].name); err != nil {
			return err
		}
	}
	return nil
}

// member reads one field, if it is there: as a parameter of that name, or as
// parameters below it.
func (f Form) member(to *field, v reflect.Value, name string) error {
	switch to.plan.kind {
	case kindStruct, kindList, kindMap:
		if inner := f.below(name + "."); len(inner.params) > 0 {
			return inner.compound(to.plan, to.room(v), name)
		}
		if text, ok := f.find(name); ok {
			return emptyCompound(to, v, text)
		}
		return nil
	}
	text, ok := f.find(name)
	if !ok {
		if len(f.below(name+".").params) > 0 {
			return badForm("Start of structure or map found where not expected.")
		}
		return nil
	}
	return parseScalar(to.plan, to.room(v), text)
}

// emptyCompound reads a parameter that stands where others should stand below.
func emptyCompound(to *field, v reflect.Value, text string) error {
	if text != "" {
		return badForm("Unexpected complex element termination")
	}
	switch room := to.room(v); to.plan.kind {
	case kindList:
		room.Set(reflect.MakeSlice(to.plan.typ, 0, 0))
	case kindMap:
		room.Set(reflect.MakeMap(to.plan.typ))
	}
	return nil
}

// compound reads the parameters of f, all below name, into v.
func (f Form) compound(p *plan, v reflect.Value, name string) error {
	switch p.kind {
	case kindList:
		return f.list(p, v, name+".member.")
	case kindMap:
		return f.mapping(p, v, name+".entry.")
	}
	return f.structure(p, v, name+".")
}

// element reads one element of a list or map, by the name it must have.
func (f Form) element(p *plan, v reflect.Value, name string) error {
	switch p.kind {
	case kindStruct, kindList, kindMap:
		return f.below(name+".").compound(p, v, name)
	}
	text, ok := f.find(name)
	if !ok {
		return badForm("Start of structure or map found where not expected.")
	}
	return parseScalar(p, v, text)
}

func (f Form) list(p *plan, v reflect.Value, prefix string) error {
	n, err := f.count(prefix)
	if err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(p.typ, n, n))
	for i := range n {
		if err := f.element(p.elem, v.Index(i), prefix+strconv.Itoa(i+1)); err != nil {
			return err
		}
	}
	return nil
}

func (f Form) mapping(p *plan, v reflect.Value, prefix string) error {
	n, err := f.count(prefix)
	if err != nil {
		return err
	}
	v.Set(reflect.MakeMapWithSize(p.typ, n))
	for i := range n {
		name := prefix + strconv.Itoa(i+1)
		key, value := reflect.New(p.key.typ).Elem(), reflect.New(p.elem.typ).Elem()
		if err := f.element(p.key, key, name+".key"); err != nil {
			return err
		}
		if v.MapIndex(key).IsValid() {
			return badForm("duplicate key in a map")
		}
		if err := f.element(p.elem, value, name+".value"); err != nil {
			return err
		}
		v.SetMapIndex(key, value)
	}
	return nil
}

// count returns how many elements the parameters of f name: the numbers that
// follow prefix, which must be 1 to that count. Sorted parameters of one element
// need not stand together ("1", "10", "1.Key"), so each number is ticked off once.
func (f Form) count(prefix string) (int, error) {
	seen := make([]bool, len(f.params)+1)
	found := 0
	for _, p := range f.params {
		after, ok := strings.CutPrefix(p.name, prefix)
		digits, _, _ := strings.Cut(after, ".")
		i, err := strconv.Atoi(digits)
		// No more elements than parameters: a larger number leaves a gap.
		if !ok || err != nil || i < 1 || i > len(f.params) || strconv.Itoa(i) != digits {
			return 0, badForm("list elements must be numbered from 1 without gaps")
		}
		if !seen[i] {
			seen[i] = true
			found++
		}
	}
	if slices.Contains(seen[1:found+1], false) {
		return 0, badForm("list elements must be numbered from 1 without gaps")
	}
	return found, nil
}

// parseScalar reads the text of a parameter.
func parseScalar(p *plan, v reflect.Value, text string) error {
	ok := true
	switch p.kind {
	case kindString:
		v.SetString(text)
	case kindBlob:
		var b []byte
		b, ok = decodeBase64([]byte(text))
		v.SetBytes(b)
	case kindBool:
		ok = text == "true" || text == "false"
		v.SetBool(text == "true")
	case kindInt:
		n, err := strconv.ParseInt(text, 10, p.bits)
		ok = err == nil
		v.SetInt(n)
	case kindFloat:
		n, err := strconv.ParseFloat(text, 64)
		ok = err == nil
		v.SetFloat(n)
	case kindTime:
		t, err := api.ParseISO(text)
		ok = err == nil
		v.Set(reflect.ValueOf(t))
	}
	if !ok {
		return badForm("STRING_VALUE can not be converted to " + p.javaName())
	}
	return nil
}
