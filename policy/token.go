package policy

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// object reads an object and hands over its names, each before its value. The
// decoder refuses a name that comes twice.
func (r *reader) object(each func(name string) error) error {
	if r.json.PeekKind() != '{' {
		return r.fail("an object must stand here")
	}
	if _, err := r.json.ReadToken(); err != nil {
		return r.failJSON(err)
	}
	for r.json.PeekKind() != '}' {
		name, err := r.json.ReadToken()
		if err != nil {
			return r.failJSON(err)
		}
		if err := each(name.String()); err != nil {
			return err
		}
	}
	_, err := r.json.ReadToken()
	return err
}

// array reads an array; each reads one of its values.
func (r *reader) array(each func() error) error {
	if _, err := r.json.ReadToken(); err != nil {
		return r.failJSON(err)
	}
	for r.json.PeekKind() != ']' {
		if err := each(); err != nil {
			return err
		}
	}
	_, err := r.json.ReadToken()
	return err
}

func (r *reader) string() (string, error) {
	if k := r.json.PeekKind(); k != '"' && k != jsontext.KindInvalid {
		return "", r.fail("a string must stand here")
	}
	t, err := r.json.ReadToken()
	if err != nil {
		return "", r.failJSON(err)
	}
	return t.String(), nil
}

// scalar reads a value of a condition: a string, or true and 7 for "true" and "7".
func (r *reader) scalar() (string, error) {
	switch r.json.PeekKind() {
	case '"', 't', 'f', '0', jsontext.KindInvalid:
		t, err := r.json.ReadToken()
		if err != nil {
			return "", r.failJSON(err)
		}
		return t.String(), nil
	}
	return "", r.fail("a string, number or truth value must stand here")
}

// next is the offset of the token that comes next.
func (r *reader) next() int {
	i := int(r.json.InputOffset())
	for i < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[i]) >= 0 {
		i++
	}
	return i
}

// advance gives the place of an offset. It never looks at a byte twice, for
// that would let many small statements cost the square of their number.
func (r *reader) advance(offset int) (line, column int) {
	for r.seen < offset {
		c, n := utf8.DecodeRune(r.text[r.seen:])
		r.seen, r.column = r.seen+n, r.column+1
		if c == '\n' {
			r.line, r.column = r.line+1, 1
		}
	}
	return r.line, r.column
}

func (r *reader) fail(format string, args ...any) error {
	return r.failAt(int(r.json.InputOffset()), format, args...)
}

func (r *reader) failAt(offset int, format string, args ...any) error {
	line, column := place(r.text, offset)
	return &Error{Kind: r.kind, Reason: syntaxText, Detail: fmt.Sprintf(format, args...), Line: line, Column: column}
}

// json errors quote the text; ours say where and no more.
func (r *reader) failJSON(err error) error {
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return r.failAt(int(s.ByteOffset), "%.120v", s.Err)
	}
	return r.fail("not JSON")
}
