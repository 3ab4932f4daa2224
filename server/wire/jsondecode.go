package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"reflect"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/keyd-hsm/keyd/api"
)

// DecodeJSON reads a JSON 1.1 request into in, a pointer to a generated input.
// An empty body is an empty object. Names match exactly; members that the shape
// lacks are ignored, as AWS does; null is absent.
//
// It refuses with a *[SerializationError] everything else that is not right:
// malformed JSON, invalid UTF-8, duplicate names, text after the object, wrong
// types, null in a list or map (AWS's SDKs never send it), numbers that are out
// of range or not whole, base64 that is not canonical, too many elements.
func DecodeJSON(body []byte, in any) error {
	p, v := target(in)
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		return nil
	}
	d := decoders.Get().(*jsonDecoder)
	d.source = *bytes.NewBuffer(body)
	d.text.Reset(&d.source)
	defer d.release()
	if err := d.value(p, v); err != nil {
		return d.refuse(err)
	}
	if _, err := d.text.ReadToken(); !errors.Is(err, io.EOF) {
		return badJSON("text after the request")
	}
	return nil
}

var decoders = sync.Pool{New: func() any { return &jsonDecoder{text: jsontext.NewDecoder(new(bytes.Buffer))} }}

// jsonDecoder reads one request.
type jsonDecoder struct {
	source bytes.Buffer // read in place by text, without a copy
	text   *jsontext.Decoder
	spare  []byte // for unescaping
}

// release forgets the request, which may hold a secret, and gives d back.
func (d *jsonDecoder) release() {
	clear(d.spare)
	d.spare = nil
	d.source = bytes.Buffer{}
	d.text.Reset(&d.source)
	decoders.Put(d)
}

// refuse turns an error of the JSON reader into AWS's words, without the text
// of the request that the reader's own hold.
func (d *jsonDecoder) refuse(err error) error {
	var mine *SerializationError
	switch {
	case errors.As(err, &mine):
		return mine
	case errors.Is(err, jsontext.ErrDuplicateName):
		return badJSON("duplicate member name")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return badJSON("Unexpected end of input")
	}
	return badJSON("Unable to parse the request as JSON at offset " + strconv.FormatInt(d.text.InputOffset(), 10))
}

// value reads the next value into v.
func (d *jsonDecoder) value(p *plan, v reflect.Value) error {
	switch p.kind {
	case kindStruct:
		return d.structure(p, v)
	case kindList:
		return d.list(p, v)
	case kindMap:
		return d.object(p, v)
	}
	kind := d.text.PeekKind()
	if kind != wanted(p.kind) && !(p.kind == kindBool && kind == 'f') {
		return d.mismatch(kind, p)
	}
	raw, err := d.text.ReadValue()
	if err != nil {
		return err
	}
	return d.scalar(p, v, raw)
}

// scalar sets v to raw, which is of the JSON kind that p wants.
func (d *jsonDecoder) scalar(p *plan, v reflect.Value, raw []byte) error {
	switch p.kind {
	case kindString:
		s, err := d.unquote(raw)
		if err != nil {
			return err
		}
		v.SetString(string(s))
	case kindBlob:
		s, err := d.unquote(raw)
		if err != nil {
			return err
		}
		b, ok := decodeBase64(s)
		if !ok {
			return badJSON("STRING_VALUE can not be decoded as Base64")
		}
		v.SetBytes(b)
	case kindBool:
		v.SetBool(raw[0] == 't')
	case kindInt:
		n, err := strconv.ParseInt(string(raw), 10, p.bits)
		if err != nil {
			return badJSON("NUMBER_VALUE can not be converted to " + p.javaName())
		}
		v.SetInt(n)
	case kindFloat:
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil {
			return badJSON("NUMBER_VALUE can not be converted to a Double")
		}
		v.SetFloat(f)
	case kindTime:
		t, err := api.ParseEpoch(string(raw))
		if err != nil {
			return badJSON("NUMBER_VALUE can not be converted to a Timestamp")
		}
		v.Set(reflect.ValueOf(t))
	}
	return nil
}

// structure reads an object into the fields of v.
func (d *jsonDecoder) structure(p *plan, v reflect.Value) error {
	if kind := d.text.PeekKind(); kind != '{' {
		return d.mismatch(kind, p)
	}
	if _, err := d.text.ReadToken(); err != nil {
		return err
	}
	for d.text.PeekKind() == '"' {
		raw, err := d.text.ReadValue()
		if err != nil {
			return err
		}
		name, err := d.unquote(raw)
		if err != nil {
			return err
		}
		i, known := p.byName[string(name)]
		if !known || d.text.PeekKind() == 'n' {
			err = d.skip()
		} else {
			f := &p.fields[i]
			err = d.value(f.plan, f.room(v.Field(i)))
		}
		if err != nil {
			return err
		}
	}
	_, err := d.text.ReadToken()
	return err
}

// skip passes over a value of any kind.
func (d *jsonDecoder) skip() error {
	depth := d.text.StackDepth()
	for {
		if _, err := d.text.ReadToken(); err != nil {
			return err
		}
		switch now := d.text.StackDepth(); {
		case now == depth:
			return nil
		case now > depth+maxDepth:
			return badJSON("nesting too deep")
		}
	}
}

func (d *jsonDecoder) list(p *plan, v reflect.Value) error {
	if kind := d.text.PeekKind(); kind != '[' {
		return d.mismatch(kind, p)
	}
	if _, err := d.text.ReadToken(); err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(p.typ, 0, 0))
	for n := 0; d.more(']'); n++ {
		if n == maxElements {
			return badJSON("too many elements in a list")
		}
		v.Set(reflect.Append(v, reflect.Zero(p.elem.typ)))
		if err := d.value(p.elem, v.Index(n)); err != nil {
			return err
		}
	}
	_, err := d.text.ReadToken()
	return err
}

// object reads an object into a map.
func (d *jsonDecoder) object(p *plan, v reflect.Value) error {
	if kind := d.text.PeekKind(); kind != '{' {
		return d.mismatch(kind, p)
	}
	if _, err := d.text.ReadToken(); err != nil {
		return err
	}
	v.Set(reflect.MakeMap(p.typ))
	for n := 0; d.more('}'); n++ {
		if n == maxElements {
			return badJSON("too many entries in a map")
		}
		key, value := reflect.New(p.key.typ).Elem(), reflect.New(p.elem.typ).Elem()
		if err := d.value(p.key, key); err != nil {
			return err
		}
		if err := d.value(p.elem, value); err != nil {
			return err
		}
		v.SetMapIndex(key, value)
	}
	_, err := d.text.ReadToken()
	return err
}

// more reports whether something other than the end follows; what is malformed
// counts as more, and fails when it is read.
func (d *jsonDecoder) more(end jsontext.Kind) bool { return d.text.PeekKind() != end }

// unquote returns what a JSON string says. Most have no escapes and are not
// copied. The result is valid until the next read.
func (d *jsonDecoder) unquote(raw []byte) ([]byte, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	var err error
	d.spare, err = jsontext.AppendUnquote(d.spare[:0], raw)
	return d.spare, err
}

// decodeBase64 reads canonical base64: padded, no line breaks, no stray bits.
func decodeBase64(s []byte) ([]byte, bool) {
	if bytes.ContainsAny(s, "\r\n") { // the decoder would pass over them
		return nil, false
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
	n, err := base64.StdEncoding.Strict().Decode(b, s)
	return b[:n], err == nil
}
