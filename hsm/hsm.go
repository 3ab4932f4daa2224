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
	"crypto"
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
	// ErrMaterial: an envelope opened, and what is in it is no key of the type and
	// length that was to be imported.
	ErrMaterial = errors.New("imported key is of another type or length")
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
	// the domain key (RFC 5649 where the token is a PKCS#11 one); nothing of it
	// stays on the token.
	// ErrNotFound when the domain key is not there.
	Generate(ctx context.Context, domain string, t KeyType) (wrapped []byte, err error)
	// GenerateResident makes a key of type t that stays on the token, sensitive
	// and never extractable, known by id. Durable on return; ErrExists when the
	// id is taken.
	GenerateResident(ctx context.Context, id string, t KeyType) error
	// DestroyResident removes a resident key for good; durable on return.
	// ErrNotFound when it is not there.
	DestroyResident(ctx context.Context, id string) error

	// GeneratePair is Generate for a key pair: the private key wrapped, and the
	// public one as SubjectPublicKeyInfo (RFC 5280), in DER. ErrUnsupported for a
	// type that the token cannot wrap: such pairs are resident.
	GeneratePair(ctx context.Context, domain string, t KeyType, u Use) (wrapped, public []byte, err error)
	// GenerateResidentPair is GenerateResident for a key pair.
	GenerateResidentPair(ctx context.Context, id string, t KeyType, u Use) (public []byte, err error)
	// Import takes a key of type t that was sent to the token in an envelope and
	// returns it wrapped under the domain key; it never stands in clear outside
	// the token. The public key of a pair is found from the private one. ErrWrapped
	// when the envelope does not open, ErrMaterial when what is in it is no key of
	// that type and length; up to seven bytes of a secret may be missing where the
	// token does not tell, and are zeros then.
	Import(ctx context.Context, domain string, t KeyType, u Use, e Envelope) (wrapped, public []byte, err error)

	// MAC computes the HMAC of data in the token with the hash of k's type.
	MAC(ctx context.Context, k Key, data []byte) ([]byte, error)
	// Sign signs in the token with a key of use [Sign]. The input is a digest of
	// a.Hash, never hashed again, or with [EdDSA] the message. ECDSA signatures
	// are in DER (RFC 3279), EdDSA ones 64 bytes, RSA ones as long as the modulus.
	Sign(ctx context.Context, k Key, a Signing, input []byte) (signature []byte, err error)
	// Decrypt is the RSA private operation without padding, with a key of use
	// [Decrypt] or [Transport]: input and output are as long as the modulus.
	Decrypt(ctx context.Context, k Key, ciphertext []byte) ([]byte, error)
	// Derive is ECDH with a key of use [Derive]: the x coordinate of the product
	// with the peer's point, which is uncompressed (SEC 1, section 2.3.3) and has
	// been checked to lie on the curve.
	Derive(ctx context.Context, k Key, point []byte) (secret []byte, err error)
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

// KeyType says what a generated key is.
type KeyType int

// Secrets that compute HMAC with the hash of their name, as long as its output;
// and key pairs. HMACSHA256 is also the type of backing keys for encryption.
// HMACSHA1, SeedSHA256 and SeedSHA512 are for one-time codes, and as long as the
// hash's block, 64, 64 and 128 bytes: a shorter seed filled up with zeros computes
// the same MACs (RFC 2104, section 2).
const (
	HMACSHA256 KeyType = iota + 1
	HMACSHA224
	HMACSHA384
	HMACSHA512
	RSA2048
	RSA3072
	RSA4096
	P256
	P384
	P521
	Secp256k1
	Ed25519
	HMACSHA1
	SeedSHA256
	SeedSHA512
)

// Use says what the private key of a pair may do; secrets have none.
type Use int

// Uses of private keys, each alone.
const (
	Sign Use = iota + 1
	Decrypt
	Derive
	// Transport keys open envelopes: RSA only.
	Transport
)

// Scheme is a signature scheme.
type Scheme int

// Schemes: RFC 8017 sections 8.2 and 8.1 (salt as long as the hash, MGF1 with the
// same hash), FIPS 186-5 section 6, RFC 8032 section 5.1.
const (
	PKCS1v15 Scheme = iota + 1
	PSS
	ECDSA
	EdDSA
)

// Signing is a scheme with its hash, which EdDSA does not have.
type Signing struct {
	Scheme Scheme
	Hash   crypto.Hash
}

// Envelope is a key on its way into the token, in the form of PKCS#11's
// CKM_RSA_AES_KEY_WRAP with SHA-1: Key is an AES-256 key under RSA-OAEP with the
// transport key, and Body the material under that key (RFC 5649): the bytes of a
// secret, or a PKCS #8 PrivateKeyInfo. With no Body, Key holds a secret itself.
type Envelope struct {
	Transport Key
	Key, Body []byte
}

// Key names a key for one operation: its type and, for a pair, use; and a wrapped
// one by its domain key and wrapped form, a resident one by its id. Exactly one of
// Wrapped and Resident is set.
type Key struct {
	Type     KeyType
	Use      Use
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
