package sigv4

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// What a source of keys refuses.
var (
	// ErrUnknownKey: the access key does not exist or is inactive, or the session
	// token is not one that belongs to it. The client learns no more than that.
	ErrUnknownKey = errors.New("unknown access key")
	// ErrExpiredToken: the session token was good and is no more.
	ErrExpiredToken = errors.New("expired session token")
)

// Keys finds signing keys.
type Keys interface {
	// SigningKey returns the key derived from the secret of c.AccessKeyID for
	// c's date, region and service. It returns an error wrapping ErrUnknownKey or
	// ErrExpiredToken for a credential that is no good, and must refuse a token
	// that it did not issue for this access key. Any other error means that it
	// could not find out. It is safe for concurrent use.
	SigningKey(ctx context.Context, c Credential) (Key, error)
}

// Credential is what a signature is scoped to.
type Credential struct {
	AccessKeyID string
	// Date is the UTC day of the signature, as 20060102.
	Date            string
	Region, Service string
	// Token is the X-Amz-Security-Token, "" for none. An access key that begins
	// with ASIA always has one here, one that begins with AKIA never.
	Token string
}

// String gives the credential as it stands in a signature, without the token.
func (c Credential) String() string {
	return c.AccessKeyID + "/" + c.Date + "/" + c.Region + "/" + c.Service + "/" + terminal
}

// Format writes String for every verb, so that the token is never printed.
func (c Credential) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }

// LogValue gives slog what String gives people.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Key is a derived signing key: good for one day, region and service. It is a
// secret and prints as [redacted].
type Key struct{ bytes [sha256.Size]byte }

// DeriveKey derives the signing key from the secret access key; c.Token plays
// no part.
func DeriveKey(secret []byte, c Credential) Key {
	start := make([]byte, 0, len("AWS4")+len(secret))
	start = append(append(start, "AWS4"...), secret...)
	defer clear(start)
	k := Key{sign(start, c.Date)}
	for _, part := range []string{c.Region, c.Service, terminal} {
		k.bytes = sign(k.bytes[:], part)
	}
	return k
}

func sign(key []byte, text string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, text)
	mac.Sum(sum[:0])
	return sum
}

// String hides the key.
func (Key) String() string { return "[redacted]" }

// Format hides the key from every verb.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// LogValue hides the key from slog.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }
