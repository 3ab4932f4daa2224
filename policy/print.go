package policy

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// String prints the document anew, in one form whatever the text's was: two
// spaces, a list of statements, elements in AWS's order, numbers and truth
// values as strings. Parsing it gives the same policy.
func (p *Policy) String() string {
	var b bytes.Buffer
	w := &writer{jsontext.NewEncoder(&b, jsontext.WithIndent("  "))}
	w.token(jsontext.BeginObject)
	if p.Version != "" {
		w.pair("Version", p.Version)
	}
	if p.ID != "" {
		w.pair("Id", p.ID)
	}
	w.token(jsontext.String("Statement"))
	w.token(jsontext.BeginArray)
	for _, s := range p.Statements {
		w.statement(s)
	}
	w.token(jsontext.EndArray)
	w.token(jsontext.EndObject)
	return b.String()
}

// A writer writes to memory a document that has been read: it cannot fail.
type writer struct{ json *jsontext.Encoder }

func (w *writer) token(t jsontext.Token) { _ = w.json.WriteToken(t) }

func (w *writer) pair(name, value string) {
	w.token(jsontext.String(name))
	w.token(jsontext.String(value))
}

// list writes one value bare and any other number as an array.
func (w *writer) list(name string, values []string) {
	w.token(jsontext.String(name))
	if len(values) == 1 {
		w.token(jsontext.String(values[0]))
		return
	}
	w.token(jsontext.BeginArray)
	for _, v := range values {
		w.token(jsontext.String(v))
	}
	w.token(jsontext.EndArray)
}

func (w *writer) statement(s *Statement) {
	w.token(jsontext.BeginObject)
	if s.Sid != "" {
		w.pair("Sid", s.Sid)
	}
	w.pair("Effect", string(s.Effect))
	w.principals(s.Principals)
	w.elements("Action", s.Actions)
	w.elements("Resource", s.Resources)
	w.conditions(s.Conditions)
	w.token(jsontext.EndObject)
}

func (w *writer) elements(name string, e Elements) {
	if e.Not {
		name = "Not" + name
	}
	if e.Present {
		w.list(name, e.Values)
	}
}

func (w *writer) principals(p Principals) {
	if !p.Present {
		return
	}
	name := "Principal"
	if p.Not {
		name = "NotPrincipal"
	}
	if len(p.Entries) == 1 && (p.Entries[0].Type == "" || p.Entries[0].Value == "*") {
		w.pair(name, p.Entries[0].Value)
		return
	}
	w.token(jsontext.String(name))
	w.token(jsontext.BeginObject)
	for i := 0; i < len(p.Entries); {
		kind, values := p.Entries[i].Type, []string{}
		for ; i < len(p.Entries) && p.Entries[i].Type == kind; i++ {
			values = append(values, p.Entries[i].Value)
		}
		w.list(kind, values)
	}
	w.token(jsontext.EndObject)
}

// conditions relies on the order of reading: those of one operator are together.
func (w *writer) conditions(list []Condition) {
	if len(list) == 0 {
		return
	}
	w.token(jsontext.String("Condition"))
	w.token(jsontext.BeginObject)
	for i := 0; i < len(list); {
		operator := list[i].Operator
		w.token(jsontext.String(operator))
		w.token(jsontext.BeginObject)
		for ; i < len(list) && list[i].Operator == operator; i++ {
			w.list(list[i].Key, list[i].Values)
		}
		w.token(jsontext.EndObject)
	}
	w.token(jsontext.EndObject)
}
