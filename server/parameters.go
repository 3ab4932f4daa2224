package server

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/keyd-hsm/keyd/api"
)

// parameters writes an input or output as CloudTrail shows it: members by their
// names with a small first letter, absent ones left out. Secrets and blobs are
// left out too, whatever they hold: a plaintext has no business in a log, and a
// ciphertext no use there.
func parameters(in any) json.RawMessage {
	return appendStruct(make([]byte, 0, 256), reflect.ValueOf(in).Elem())
}

// shown is a member that parameters writes.
type shown struct {
	index int
	name  string // quoted, with its colon
}

var shownMembers sync.Map // of []shown by reflect.Type

var hidden = []reflect.Type{
	reflect.TypeFor[api.SecretBytes](), reflect.TypeFor[api.SecretString](), reflect.TypeFor[[]byte](),
}

func membersOf(t reflect.Type) []shown {
	if m, ok := shownMembers.Load(t); ok {
		return m.([]shown)
	}
	var members []shown
	for i := range t.NumField() {
		f := t.Field(i)
		base := f.Type
		for base.Kind() == reflect.Pointer || base.Kind() == reflect.Slice && base.Elem().Kind() != reflect.Uint8 {
			base = base.Elem()
		}
		if slices.Contains(hidden, base) {
			continue
		}
		members = append(members, shown{i, strconv.Quote(lowerFirst(f.Name)) + ":"})
	}
	shownMembers.Store(t, members)
	return members
}

func lowerFirst(s string) string {
	if len(s) > 1 && unicode.IsUpper(rune(s[1])) {
		return s // AWSAccountId stays as it is
	}
	return strings.ToLower(s[:1]) + s[1:]
}

func appendStruct(b []byte, v reflect.Value) []byte {
	b = append(b, '{')
	for _, m := range membersOf(v.Type()) {
		f := v.Field(m.index)
		switch f.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			if f.IsNil() {
				continue
			}
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = appendValue(append(b, m.name...), f)
	}
	return append(b, '}')
}

func appendValue(b []byte, v reflect.Value) []byte {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if t, ok := v.Interface().(api.Timestamp); ok {
		return append(t.AppendISO(append(b, '"')), '"')
	}
	switch v.Kind() {
	case reflect.Struct:
		return appendStruct(b, v)
	case reflect.String:
		return appendText(b, v.String())
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	case reflect.Int, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10)
	case reflect.Slice:
		return appendList(b, v)
	case reflect.Map:
		return appendMap(b, v)
	}
	return append(b, "null"...)
}

func appendList(b []byte, v reflect.Value) []byte {
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, v.Index(i))
	}
	return append(b, ']')
}

// appendMap writes the pairs by sorted keys, so that equal requests leave equal
// events.
func appendMap(b []byte, v reflect.Value) []byte {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, k.String()), ':')
		b = appendValue(b, v.MapIndex(k))
	}
	return append(b, '}')
}

func appendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s) // text that is not UTF-8 is mended, and reported in vain
	return b
}

// detail is a JSON object of one member.
func detail(name, value string) json.RawMessage {
	b := append(appendText([]byte{'{'}, name), ':')
	return append(appendText(b, value), '}')
}
