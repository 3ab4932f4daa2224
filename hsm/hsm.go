// Package hsm says what keyd asks of a hardware security module: make keys
// that never leave the token in clear, and use them.
//
// Most callers need two calls: [Token.Generate] makes a key inside the token
// and returns it wrapped, ready to be stored anywhere; [Token.MAC] uses it.
// Package hsm/pkcs11 keeps the promise with any PKCS#11 module, and
// hsm/hsmtest holds the suite that every implementation passes.
//
// Every method is safe for concurrent use, returns soon after its context
// ends, and answers a lost token with an error that wraps [ErrUnavailable];
// when the token is back the next call works, without a restart.
package hsm

import (
	"context"
	"errors"
	"slices"
)

// What a token refuses. Implementations wrap these with the PKCS#11 (or card)
// error behind them, never with a PIN or key value.
var (
	// ErrUnavailable: the token is gone, broken or did not answer in time.
	// The same call may succeed later.
	ErrUnavailable = errors.New("token unavailable")
	// ErrUnsupported: the token lacks a mechanism; the error names it.
	ErrUnsupported = errors.New("not supported by the token")
	// ErrNotFound: no such domain key or resident key on the token.
	ErrNotFound = errors.New("not found on the token")
	// ErrExists: a key of that id is on the token already.
	ErrExists = errors.New("exists on the token already")
	// ErrWrapped: the wrapped key was altered, truncated or wrapped under another key.
	ErrWrapped = errors.New("wrapped key does not open")
	// ErrPIN: the token refused the PIN. It is never retried, because tokens lock.
	ErrPIN = errors.New("token refused the PIN")
)

// Token is one hardware token, logged in.
type Token interface {
	// Info says which token this is. It does not change and does no I/O.
	Info() Info
	// Capabilities says what the token can do, read once when it was opened.
	Capabilities() Capabilities

	// CreateDomainKey makes the AES-256 key that wraps others: a token object,
	// sensitive, never extractable, known by id from then on. It is durable on
	// return. It refuses with ErrExists when the token has one of that id.
	CreateDomainKey(ctx context.Context, id string) error
	// DomainKeys lists the ids of the domain keys on the token, sorted.
	DomainKeys(ctx context.Context) ([]string, error)

	// Generate makes a key of type t in the token and returns it wrapped under
	// the domain key (RFC 5649); nothing of it stays on the token.
	// ErrNotFound when the domain key is not there.
	Generate(ctx context.Context, domain string, t KeyType) (wrapped []byte, err error)
	// GenerateResident makes a key of type t that stays on the token, sensitive
	// and never extractable, known by id. Durable on return; ErrExists when the
	// id is taken.
	GenerateResident(ctx context.Context, id string, t KeyType) error
	// DestroyResident removes a resident key for good; durable on return.
	// ErrNotFound when it is not there.
	DestroyResident(ctx context.Context, id string) error

	// MAC computes HMAC-SHA-256 of data in the token with a key of type
	// [HMACSHA256]. The result has 32 bytes.
	MAC(ctx context.Context, k Key, data []byte) ([]byte, error)
	// Random returns n bytes from the token's generator.
	Random(ctx context.Context, n int) ([]byte, error)

	// Forget destroys the token's working copy of a wrapped key. Calls that are
	// using it finish; then it is gone. To forget an unknown key is no error.
	Forget(k Key)
	// Check reports whether the token does its work now: present, logged in,
	// and the domain key usable. It is the readiness probe.
	Check(ctx context.Context, domain string) error
	// Close destroys working copies, logs out and lets the device go.
	Close() error
}

// Info identifies a token, as PKCS#11's CK_TOKEN_INFO does.
type Info struct {
	Label        string
	Serial       string
	Manufacturer string
	Model        string
}

// String gives the form people read in errors: `"label" (serial 1234)`.
func (i Info) String() string {
	return `"` + i.Label + `" (serial ` + i.Serial + `)`
}

// KeyType says what a generated key is for.
type KeyType int

const (
	// HMACSHA256 is a 256-bit generic secret that only ever computes HMAC-SHA-256.
	HMACSHA256 KeyType = iota + 1
)

// Key names a key for one operation: a wrapped one by its domain key and
// wrapped form, a resident one by its id. Exactly one of Wrapped and Resident
// is set.
type Key struct {
	Domain   string
	Wrapped  []byte
	Resident string
}

// Capabilities is what a token can do, from its mechanism list.
type Capabilities struct {
	// Mechanisms are PKCS#11 names such as "CKM_SHA256_HMAC", sorted.
	Mechanisms []string
}

// Has reports whether the token offers the mechanism of that name.
func (c Capabilities) Has(mechanism string) bool {
	_, ok := slices.BinarySearch(c.Mechanisms, mechanism)
	return ok
}
