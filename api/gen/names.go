package main

import (
	"strings"
	"unicode"
)

// exported returns a model's name as an exported Go name. Names stay as AWS
// writes them otherwise (KeyId, not KeyID): they are AWS's words.
func exported(name string) string {
	return strings.ToUpper(name[:1]) + name[1:]
}

// path returns a member's name as AWS writes it in validation errors: "keyId".
func path(name string) string {
	return strings.ToLower(name[:1]) + name[1:]
}

// constant returns the Go name of an enum value: KeySpecEccNistP256 for
// ECC_NIST_P256, as the AWS SDK for Go has it.
func constant(enum, value string) string {
	var b strings.Builder
	b.WriteString(exported(enum))
	words := strings.FieldsFunc(value, func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c)
	})
	for _, word := range words {
		if word == strings.ToUpper(word) {
			word = strings.ToLower(word)
		}
		b.WriteString(exported(word))
	}
	return b.String()
}
