package kms

import (
	"slices"
	"strings"
	"time"
)

// A Grant lets one principal do some operations with one key, beside what
// policies say. It only allows. It is shared and must not be changed.
type Grant struct {
	Version    int       `json:"v"`
	ID         string    `json:"id"` // 64 hex digits
	Region     string    `json:"region"`
	Key        string    `json:"key"` // its id
	Account    string    `json:"account"`
	Name       string    `json:"name,omitempty"`
	Created    time.Time `json:"created"`
	Grantee    string    `json:"grantee"`            // bound: a unique id where there is one, else an ARN
	Retiring   string    `json:"retiring,omitempty"` // bound likewise; empty: nobody in particular
	Issuer     string    `json:"issuer"`             // account of who made it
	Operations []string  `json:"operations"`         // AWS's names, each once
	Constraints
	// Seed authenticates the grant's tokens.
	Seed []byte `json:"seed"`
	// Bucket is where the index of the gate has the grant.
	Bucket string `json:"bucket"`
}

// KeyARN is the ARN of the key that the grant is on.
func (g *Grant) KeyARN() string { return keyARN(g.Region, g.Account, g.Key) }

// Permits reports whether the operation of that name is one of the grant's.
func (g *Grant) Permits(operation string) bool { return slices.Contains(g.Operations, operation) }

// Operations that a grant can permit and that have a meaning of their own here.
const (
	GrantCreateGrant = "CreateGrant"
	GrantRetireGrant = "RetireGrant"
)

// grantOperations are the operations of grants; an operation's place is its bit
// in an opSet. Places are stored: new ones come last.
var grantOperations = []string{
	"Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
	"Sign", "Verify", "GetPublicKey", GrantCreateGrant, GrantRetireGrant, "DescribeKey",
	"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "GenerateMac", "VerifyMac", "DeriveSharedSecret",
	"Encapsulate", "Decapsulate",
}

// An opSet is a set of grant operations, a bit each.
type opSet uint32

func newOpSet(names ...string) (set opSet) {
	for _, n := range names {
		if i := slices.Index(grantOperations, n); i >= 0 {
			set |= 1 << i
		}
	}
	return set
}

func (s opSet) holds(t opSet) bool { return s&t == t }

func (s opSet) names() []string {
	var names []string
	for i, n := range grantOperations {
		if s.holds(1 << i) {
			names = append(names, n)
		}
	}
	return names
}

// bits finds the bit of an operation without a search.
var bits = func() map[string]opSet {
	m := make(map[string]opSet, len(grantOperations))
	for i, n := range grantOperations {
		m["kms:"+n] = 1 << i
	}
	return m
}()

// contextual are the operations that bring an encryption context, and so are
// held against the constraints of a grant; the others ignore them (rule 7.4).
var contextual = newOpSet("Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
	"ReEncryptFrom", "ReEncryptTo", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", GrantCreateGrant)

// Operations that any key takes, and those of each usage.
var (
	everyKey     = newOpSet(GrantCreateGrant, GrantRetireGrant, "DescribeKey")
	symmetricOps = contextual
	usageOps     = map[string]opSet{
		EncryptDecrypt:         newOpSet("Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo", "GetPublicKey"),
		SignVerify:             newOpSet("Sign", "Verify", "GetPublicKey"),
		GenerateVerifyMAC:      newOpSet("GenerateMac", "VerifyMac"),
		KeyAgreement:           newOpSet("DeriveSharedSecret", "GetPublicKey"),
		EncapsulateDecapsulate: newOpSet("Encapsulate", "Decapsulate", "GetPublicKey"),
	}
)

// takes are the operations that a grant on the key can permit.
func (k *Key) takes() opSet {
	if k.Spec == SymmetricDefault {
		return everyKey | symmetricOps
	}
	return everyKey | usageOps[k.Usage]
}

// NewGrant says what CreateGrant is to make. Grantee and Retiring are bound.
type NewGrant struct {
	Name, Grantee, Retiring, Issuer string
	GrantScope
}

// GrantScope is what a grant permits.
type GrantScope struct {
	Operations []string
	Constraints
}

// Limits of the constraints of a grant, AWS's.
const (
	maxGrantPairs = 8   // in each of the two constraints
	maxGrantValue = 384 // characters of a pair's value
)

// CheckScope refuses what no grant on the key can permit.
func (k *Key) CheckScope(s GrantScope) error {
	if len(s.Operations) == 0 {
		return refuse(CodeValidation, "1 validation error detected: Value '[]' at 'operations' failed to satisfy constraint: "+
			"Member must have length greater than or equal to 1")
	}
	asked := newOpSet(s.Operations...)
	if asked == newOpSet(GrantCreateGrant) {
		return refuse(CodeValidation, "Grants must not contain only the CreateGrant operation.")
	}
	if wrong := asked &^ k.takes(); wrong != 0 {
		return refuse(CodeValidation, "Operations [%s] are not valid for a grant on a key of usage %s and spec %s.",
			strings.Join(wrong.names(), ", "), k.Usage, k.Spec)
	}
	if s.constrained() && k.Spec != SymmetricDefault {
		return refuse(CodeValidation, "Grant constraints on the encryption context are valid for symmetric encryption keys only.")
	}
	return s.Constraints.check()
}
