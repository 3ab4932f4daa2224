package pkcs11

import "log/slog"

// PIN holds a user PIN and shows it to nobody: however it is printed, logged
// or encoded, it reads [redacted]. The zero PIN is no PIN.
type PIN struct {
	// reveal is a function because not even reflection, which fmt uses on
	// values inside other structs, prints what a closure holds.
	reveal func() string
}

const redacted = "[redacted]"

// NewPIN keeps pin for the logins to come: a token that returns after a loss
// is logged in again, so the PIN stays in memory until the Token is gone.
func NewPIN(pin string) PIN {
	if pin == "" {
		return PIN{}
	}
	return PIN{reveal: func() string { return pin }}
}

// IsZero reports whether no PIN was given.
func (p PIN) IsZero() bool { return p.reveal == nil }

// String prints [redacted].
func (p PIN) String() string { return redacted }

// GoString prints [redacted].
func (p PIN) GoString() string { return redacted }

// LogValue logs [redacted].
func (p PIN) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText encodes [redacted].
func (p PIN) MarshalText() ([]byte, error) { return []byte(redacted), nil }
