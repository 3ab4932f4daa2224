package term

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// replacement stands for each character that Clean takes away.
const replacement = '\uFFFD'

// Clean returns s without what a terminal would obey or hide: control
// characters (newlines and tabs too), invisible formatting such as
// right-to-left overrides, and bytes that are no UTF-8.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return replacement
		}
		return r
	}, s)
}

// Printable reports whether b is text that a terminal shows as it is: UTF-8
// with no control characters but newline, carriage return and tab.
func Printable(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if r != '\n' && r != '\r' && r != '\t' && !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
