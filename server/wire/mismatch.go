package wire

import "github.com/go-json-experiment/json/jsontext"

// wanted returns the JSON kind of a scalar; true stands for both booleans.
func wanted(k kind) jsontext.Kind {
	switch k {
	case kindString, kindBlob:
		return '"'
	case kindBool:
		return 't'
	}
	return '0'
}

// mismatch says, as AWS does, that a value of one kind stands where the shape
// wants another. A value that is malformed is left to the reader's own error.
func (d *jsonDecoder) mismatch(got jsontext.Kind, p *plan) error {
	if got == jsontext.KindInvalid || got == '}' || got == ']' {
		_, err := d.text.ReadToken()
		if err == nil {
			return badJSON("Unexpected end of structure or list")
		}
		return err
	}
	switch {
	case got == '{' && p.kind != kindStruct && p.kind != kindMap:
		return badJSON("Start of structure or map found where not expected.")
	case got == '[' && p.kind != kindList:
		return badJSON("Start of list found where not expected")
	case p.kind == kindList:
		return badJSON("Expected list or null")
	case p.kind == kindMap:
		return badJSON("Expected map or null")
	case p.kind == kindStruct:
		return badJSON("Expected structure or null")
	}
	return badJSON(tokenName(got) + " can not be converted to " + p.javaName())
}

// tokenName returns AWS's name of a JSON scalar's kind.
func tokenName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "STRING_VALUE"
	case '0':
		return "NUMBER_VALUE"
	case 't':
		return "TRUE_VALUE"
	case 'f':
		return "FALSE_VALUE"
	}
	return "NULL_VALUE"
}

// javaName returns AWS's name of a scalar's type, with its article.
func (p *plan) javaName() string {
	switch p.kind {
	case kindBlob:
		return "a Blob"
	case kindBool:
		return "a Boolean"
	case kindInt:
		if p.bits == 64 {
			return "a Long"
		}
		return "an Integer"
	case kindFloat:
		return "a Double"
	case kindTime:
		return "a Timestamp"
	}
	return "a String"
}
