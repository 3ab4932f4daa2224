package wire

import (
	"encoding/base64"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/keyd-hsm/keyd/api"
)

// EncodeJSON writes a JSON 1.1 response from out, a pointer to a generated
// output. Absent members are left out, empty lists and maps are not; maps are
// sorted, timestamps are numbers, blobs base64. A nil out, of an operation that
// returns nothing, is an empty body, as AWS sends it. It refuses text that is
// not UTF-8 and numbers that JSON lacks.
func EncodeJSON(out any) ([]byte, error) {
	if out == nil {
		return nil, nil
	}
	p, v := target(out)
	return appendJSON(make([]byte, 0, 512), p, v)
}

// JSONError writes an error response of JSON 1.1. An empty message is left out.
func JSONError(code, message string) []byte {
	b := appendText([]byte(`{"__type":`), code)
	if message != "" {
		b = appendText(append(b, `,"message":`...), message)
	}
	return append(b, '}')
}

// appendText quotes s, with U+FFFD for what is not UTF-8: an error must get
// through, whatever its message holds.
func appendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, strings.ToValidUTF8(s, "\uFFFD"))
	return b
}

func appendJSON(b []byte, p *plan, v reflect.Value) ([]byte, error) {
	switch p.kind {
	case kindString:
		return jsontext.AppendQuote(b, v.String())
	case kindBlob:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"'), nil
	case kindBool:
		return strconv.AppendBool(b, v.Bool()), nil
	case kindInt:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case kindFloat:
		f := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("number %v: not in JSON", f)
		}
		return strconv.AppendFloat(b, f, 'g', -1, 64), nil
	case kindTime:
		return v.Interface().(api.Timestamp).AppendEpoch(b), nil
	case kindList:
		return appendList(b, p, v)
	case kindMap:
		return appendMap(b, p, v)
	}
	return appendStruct(b, p, v)
}

func appendStruct(b []byte, p *plan, v reflect.Value) (_ []byte, err error) {
	b = append(b, '{')
	first := true
	for i := range p.fields {
		f := &p.fields[i]
		value, ok := f.present(v.Field(i))
		if !ok {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, f.quoted...)
		if b, err = appendJSON(b, f.plan, value); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendList(b []byte, p *plan, v reflect.Value) (_ []byte, err error) {
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendJSON(b, p.elem, v.Index(i)); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendMap(b []byte, p *plan, v reflect.Value) (_ []byte, err error) {
	b = append(b, '{')
	for i, key := range sortedKeys(v) {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = jsontext.AppendQuote(b, key.String()); err != nil {
			return nil, err
		}
		b = append(b, ':')
		if b, err = appendJSON(b, p.elem, v.MapIndex(key)); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// sortedKeys returns the keys of a map, so that equal responses are equal bytes.
func sortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
