package wire

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/keyd-hsm/keyd/api"
)

// kind is what a value is on the wire.
type kind int

const (
	kindString kind = iota
	kindBlob
	kindBool
	kindInt
	kindFloat
	kindTime
	kindStruct
	kindList
	kindMap
)

// plan says how a Go type stands on the wire. It is worked out once per type.
type plan struct {
	kind   kind
	typ    reflect.Type
	bits   int            // of kindInt
	elem   *plan          // of kindList and kindMap
	key    *plan          // of kindMap; always kindString
	fields []field        // of kindStruct, in the order of the model
	byName map[string]int // of kindStruct: name on the wire to index in fields
}

// field is one member of a structure. Its index in the Go struct is its index
// in the plan's fields.
type field struct {
	name    string
	quoted  string // `"name":`
	plan    *plan
	pointer bool
}

var (
	plans     sync.Map // reflect.Type to *plan, complete ones only
	plansLock sync.Mutex
	timeType  = reflect.TypeFor[api.Timestamp]()
)

// planOf returns the plan of a generated type. It panics when given anything
// else: what is en- or decoded is chosen by this program, never by a request.
func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	plansLock.Lock()
	defer plansLock.Unlock()
	made := make(map[reflect.Type]*plan)
	p := makePlan(t, made)
	for t, p := range made {
		plans.Store(t, p)
	}
	return p
}

// makePlan makes the plan of t and of all that it is made of. made holds those
// under way, so that a type may hold itself.
func makePlan(t reflect.Type, made map[reflect.Type]*plan) *plan {
	if p, ok := made[t]; ok {
		return p
	}
	p := &plan{typ: t}
	made[t] = p
	switch k := t.Kind(); {
	case t == timeType:
		p.kind = kindTime
	case k == reflect.String:
		p.kind = kindString
	case k == reflect.Bool:
		p.kind = kindBool
	case k == reflect.Int32 || k == reflect.Int64:
		p.kind, p.bits = kindInt, t.Bits()
	case k == reflect.Float64:
		p.kind = kindFloat
	case k == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		p.kind = kindBlob
	case k == reflect.Slice:
		p.kind, p.elem = kindList, makePlan(t.Elem(), made)
	case k == reflect.Map && t.Key().Kind() == reflect.String:
		p.kind, p.key, p.elem = kindMap, makePlan(t.Key(), made), makePlan(t.Elem(), made)
	case k == reflect.Struct:
		p.kind = kindStruct
		p.addFields(made)
	default:
		panic(fmt.Sprintf("wire: type %s is no wire shape", t))
	}
	return p
}

func (p *plan) addFields(made map[reflect.Type]*plan) {
	p.byName = make(map[string]int, p.typ.NumField())
	for i := range p.typ.NumField() {
		f := p.typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			panic(fmt.Sprintf("wire: type %s is no wire shape: field %s has no name", p.typ, f.Name))
		}
		t, pointer := f.Type, f.Type.Kind() == reflect.Pointer
		if pointer {
			t = t.Elem()
		}
		p.byName[name] = i
		p.fields = append(p.fields, field{name, `"` + name + `":`, makePlan(t, made), pointer})
	}
}

// target returns the plan and the structure behind in, which must be a pointer
// to one.
func target(in any) (*plan, reflect.Value) {
	v := reflect.ValueOf(in)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("wire: %T is no pointer to a wire shape", in))
	}
	return planOf(v.Type().Elem()), v.Elem()
}

// present returns the value of a field and whether it is there.
func (f *field) present(v reflect.Value) (reflect.Value, bool) {
	if v.IsNil() {
		return v, false
	}
	if f.pointer {
		v = v.Elem()
	}
	return v, true
}

// room returns where the value of an absent field goes.
func (f *field) room(v reflect.Value) reflect.Value {
	if !f.pointer {
		return v
	}
	v.Set(reflect.New(f.plan.typ))
	return v.Elem()
}
