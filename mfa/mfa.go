// Package mfa knows the MFA devices of users and of the root user, and checks what
// they show: one-time codes by the clock (TOTP, RFC 6238) or by a counter (HOTP,
// RFC 4226), signatures of security keys, and recovery codes.
//
// Most callers need two calls: [Service.Draft] makes a device with a seed to be
// shown once, and [Service.Verify] says whether a code is good.
//
// A seed stands in clear only while a device is being made. It is kept wrapped,
// and codes are computed from it in the token. A code is good once: what Verify
// has accepted is on disk before it returns, and so is a wrong code. Guesses are
// slowed down and then stopped, however many come at once: each is counted in the
// transaction that decides on it.
//
// A Service is safe for concurrent use.
package mfa

import (
	"context"
	"crypto"
	"time"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/store"
)

// Tx is the transaction that methods which change something take.
type Tx = store.Tx

// Seeds keeps the seeds of devices in the token, as package kms does. The hash is
// that of the codes: SHA-1, SHA-256 or SHA-512.
type Seeds interface {
	// WrapSeed brings a seed into the token and gives it back wrapped, with the id
	// of the key that it is wrapped under.
	WrapSeed(ctx context.Context, hash crypto.Hash, seed []byte) (domain string, wrapped []byte, err error)
	// SeedMAC is HMAC of data with a wrapped seed.
	SeedMAC(ctx context.Context, hash crypto.Hash, domain string, wrapped, data []byte) ([]byte, error)
	// ForgetSeed destroys the token's working copy of a seed.
	ForgetSeed(hash crypto.Hash, domain string, wrapped []byte)
	// DropSeed sees to it that what seeds, deleted in the transaction, have left on
	// the medium is overwritten after it.
	DropSeed(tx Tx) error
}

// Config is what a Service stands on. Every field is needed.
type Config struct {
	Account string
	DB      store.DB
	IAM     *iam.Service // which user holds which device, and the rules of tags
	Seeds   Seeds
	// Clock is the appliance's clock, for dates.
	Clock func() time.Time
	// RealTime is what codes and delays go by: devices know no other.
	RealTime func() time.Time
	// PIV is what the operator asks of security keys; zero asks nothing, and checks
	// no attestation.
	PIV PIVRules
}

// Service is the MFA devices of one account.
type Service struct {
	Config
	enrollments enrollments
}

// New makes the service over a store.
func New(cfg Config) *Service { return &Service{Config: cfg} }

// OwnerOf is how p is called as the holder of devices: the unique id of a user, the
// account for the root user, and "" for those who hold none.
func OwnerOf(p iam.Principal) string {
	if p.Type == iam.TypeUser || p.Type == iam.TypeRoot {
		return p.ID
	}
	return ""
}
