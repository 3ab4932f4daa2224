package wire

import (
	"encoding/base64"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/keyd-hsm/keyd/api"
)

// EncodeXML writes a response of the query protocol: the output of op in its
// result element, then the request id. out is a pointer to a generated output,
// or nil for an operation that returns nothing. Lists are <member> elements,
// maps <entry> elements sorted by key, blobs base64, timestamps ISO 8601.
//
// Characters that XML 1.0 cannot carry, not even escaped (control characters
// but tab, line feed and carriage return; U+FFFE, U+FFFF), and bytes that are
// not UTF-8 become U+FFFD.
func EncodeXML(op api.Operation, requestID string, out any) ([]byte, error) {
	b := make([]byte, 0, 1024)
	b = append(b, '<')
	b = append(b, op.Name...)
	b = append(b, `Response xmlns="`...)
	b = append(b, op.Service.XMLNamespace...)
	b = append(b, `">`...)
	if op.ResultWrapper != "" {
		b = openTag(b, op.ResultWrapper)
		if out != nil {
			p, v := target(out)
			b = appendFields(b, p, v)
		}
		b = closeTag(b, op.ResultWrapper)
	}
	b = append(b, "<ResponseMetadata><RequestId>"...)
	b = escape(b, requestID)
	b = append(b, "</RequestId></ResponseMetadata></"...)
	b = append(b, op.Name...)
	return append(b, "Response>"...), nil
}

// XMLError writes an error response of the query protocol. server says whose
// fault it is: <Type>Receiver</Type> for the service's, Sender for the caller's.
func XMLError(s *api.Service, requestID, code, message string, server bool) []byte {
	b := []byte(`<ErrorResponse xmlns="` + s.XMLNamespace + `"><Error><Type>`)
	if server {
		b = append(b, "Receiver"...)
	} else {
		b = append(b, "Sender"...)
	}
	b = append(b, "</Type><Code>"...)
	b = escape(b, code)
	b = append(b, "</Code><Message>"...)
	b = escape(b, message)
	b = append(b, "</Message></Error><RequestId>"...)
	b = escape(b, requestID)
	return append(b, "</RequestId></ErrorResponse>"...)
}

// appendXML writes what stands inside the element of a value.
func appendXML(b []byte, p *plan, v reflect.Value) []byte {
	switch p.kind {
	case kindString:
		return escape(b, v.String())
	case kindBlob:
		return base64.StdEncoding.AppendEncode(b, v.Bytes())
	case kindBool:
		return strconv.AppendBool(b, v.Bool())
	case kindInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case kindFloat:
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 64)
	case kindTime:
		return v.Interface().(api.Timestamp).AppendISO(b)
	case kindList:
		for i := range v.Len() {
			b = appendElement(b, "member", p.elem, v.Index(i))
		}
		return b
	case kindMap:
		for _, key := range sortedKeys(v) {
			b = openTag(b, "entry")
			b = appendElement(b, "key", p.key, key)
			b = appendElement(b, "value", p.elem, v.MapIndex(key))
			b = closeTag(b, "entry")
		}
		return b
	}
	return appendFields(b, p, v)
}

func appendFields(b []byte, p *plan, v reflect.Value) []byte {
	for i := range p.fields {
		f := &p.fields[i]
		if value, ok := f.present(v.Field(i)); ok {
			b = appendElement(b, f.name, f.plan, value)
		}
	}
	return b
}

func appendElement(b []byte, name string, p *plan, v reflect.Value) []byte {
	return closeTag(appendXML(openTag(b, name), p, v), name)
}

func openTag(b []byte, name string) []byte {
	return append(append(append(b, '<'), name...), '>')
}

func closeTag(b []byte, name string) []byte {
	return append(append(append(b, "</"...), name...), '>')
}

// escape writes text so that an XML 1.0 parser reads the same text again.
func escape(b []byte, s string) []byte {
	for _, c := range s {
		switch {
		case c == '&':
			b = append(b, "&amp;"...)
		case c == '<':
			b = append(b, "&lt;"...)
		case c == '>':
			b = append(b, "&gt;"...)
		case c == '"':
			b = append(b, "&quot;"...)
		case c == '\r':
			b = append(b, "&#xD;"...) // a parser makes a line feed of a bare one
		case c < ' ' && c != '\t' && c != '\n', c == 0xFFFE, c == 0xFFFF:
			b = utf8.AppendRune(b, utf8.RuneError)
		default:
			b = utf8.AppendRune(b, c)
		}
	}
	return b
}
