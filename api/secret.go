package api

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a secret prints as, whatever the verb.
const redacted = "[redacted]"

// SecretBytes is a blob that must never be logged: plaintexts, data keys,
// seeds. A []byte can be assigned to it and it to a []byte, without conversion.
// It prints, logs and marshals as [redacted]; an absent one is nil.
type SecretBytes []byte

// SecretString is a string that must never be logged: secret access keys,
// session tokens, passwords, one-time codes. It prints, logs and marshals as
// [redacted]; string(s) is what it holds.
type SecretString string

// Format writes [redacted] for every verb.
func (SecretBytes) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns [redacted].
func (SecretBytes) String() string { return redacted }

// LogValue returns [redacted].
func (SecretBytes) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns [redacted], which covers JSON, XML and text handlers.
func (SecretBytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format writes [redacted] for every verb.
func (SecretString) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns [redacted].
func (SecretString) String() string { return redacted }

// LogValue returns [redacted].
func (SecretString) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns [redacted], which covers JSON, XML and text handlers.
func (SecretString) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Print writes a generated structure that holds secrets, by its name and as
// JSON, whatever the verb. Generated Format methods call it: left to itself,
// package fmt shows a member's bytes, without asking its type, when a verb does
// not fit the structure around it.
func Print(f fmt.State, name string, x any) {
	text, err := json.Marshal(x)
	if err != nil {
		text = []byte(redacted)
	}
	_, _ = io.WriteString(f, name)
	_, _ = f.Write(text)
}
