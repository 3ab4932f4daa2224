package kms

import (
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/policy"
)

// State is the state of a KMS key, in AWS's words.
type State string

// States of keys. A key is in state Creating while the token makes it, which for
// RSA takes seconds; it has no material yet.
const (
	Creating        State = "Creating"
	Enabled         State = "Enabled"
	Disabled        State = "Disabled"
	PendingDeletion State = "PendingDeletion"
)

// Key is one KMS key as it stood at one moment. It is shared and must not be
// changed; the methods of [Service] that change a key store a new one.
type Key struct {
	Version       int               `json:"v"`
	ID            string            `json:"id"`
	Account       string            `json:"account"`
	Region        string            `json:"region"`
	Description   string            `json:"description,omitempty"`
	State         State             `json:"state"`
	Spec          string            `json:"spec"`
	Usage         string            `json:"usage"`
	Origin        string            `json:"origin"`
	Created       time.Time         `json:"created"`
	DeletionDate  time.Time         `json:"deletion_date,omitzero"`  // zero unless PendingDeletion
	PendingWindow int               `json:"pending_window,omitzero"` // days; 0 unless PendingDeletion
	Policy        string            `json:"policy,omitempty"`        // the key policy as it was put
	PolicyDefault bool              `json:"policy_default,omitzero"` // only in a record: the policy is the default one, and left out
	Tags          map[string]string `json:"tags,omitempty"`
	Current       uint32            `json:"current"` // number of the backing key that is used now; 0 without material

	MultiRegion   bool   `json:"multi_region,omitempty"`
	PrimaryRegion string `json:"primary_region,omitempty"` // of a multi-Region key
	CustomStore   string `json:"custom_store,omitempty"`   // id of the custom key store that it is in

	Rotation Rotation `json:"rotation,omitzero"`

	// Read with the key from records of their own.
	material map[uint32]Material // by number
	aliases  []string            // names, sorted
	granted  bool                // there are grants on it
	related  []string            // regions that have the multi-Region key, this one too; sorted
	// Of a key in a custom key store, as it was when the key was asked for.
	cluster   string
	connected bool
	compiled  *policy.Policy
}

// Aliases are the names of the key's aliases, sorted.
func (k *Key) Aliases() []string { return k.aliases }

// CompiledPolicy is the key policy, ready to be asked. One that cannot be read
// denies everything.
func (k *Key) CompiledPolicy() *policy.Policy { return k.compiled }

// Material is one backing key: a secret or a private key, in wrapped form or on
// the token, and of a pair the public key.
type Material struct {
	Version  int       `json:"v"`
	Number   uint32    `json:"number"`
	ID       string    `json:"id"`                 // 64 hex digits, docs/spec/ciphertext.md
	Domain   string    `json:"domain,omitempty"`   // the domain key it is wrapped under
	Wrapped  []byte    `json:"wrapped,omitempty"`  // RFC 5649
	Resident string    `json:"resident,omitempty"` // id on the token, instead of Domain and Wrapped
	Store    string    `json:"store,omitempty"`    // id of the custom key store whose token it is on; empty: the appliance's
	Public   []byte    `json:"public,omitempty"`   // SubjectPublicKeyInfo of a pair
	Created  time.Time `json:"created"`

	// How it became the current one; empty and zero for a key's first material.
	RotationType string    `json:"rotation_type,omitempty"`
	Rotated      time.Time `json:"rotated,omitzero"`

	pooled string // where it stands in the pool, until its key is stored

	// Of imported material; zero for what was made here. Without Wrapped it has
	// been deleted or has expired, and may be imported again.
	Description string    `json:"description,omitempty"`
	Expires     time.Time `json:"expires,omitzero"`  // zero: never
	Pending     bool      `json:"pending,omitempty"` // waits to be rotated to
}

// key names the material of k for the token.
func (m Material) key(k *Key) hsm.Key {
	return hsm.Key{Type: specs[k.Spec].kind, Use: k.hsmUse(), Domain: m.Domain, Wrapped: m.Wrapped, Resident: m.Resident}
}

// work gives what an operation on material of k needs, and counts it: the token is
// not idle.
func (s *Service) work(k *Key, m Material) (hsm.Token, hsm.Key) {
	s.used.Add(1)
	return s.tokenOf(m), m.key(k)
}

// ARN is the key's Amazon Resource Name.
func (k *Key) ARN() string { return keyARN(k.Region, k.Account, k.ID) }

// MaterialID names the backing key that is used now; "" without material.
func (k *Key) MaterialID() string { return k.material[k.Current].ID }

// PublicKey is the SubjectPublicKeyInfo of a pair, in DER; nil for other keys. It
// must not be changed.
func (k *Key) PublicKey() []byte { return k.material[k.Current].Public }

// Usable refuses a key whose state allows no cryptographic operation.
func (k *Key) Usable() error {
	if k.unavailable() {
		return refuse(CodeInvalidState, "%s is unavailable.", k.ARN())
	}
	switch k.State {
	case Enabled:
		return nil
	case Disabled:
		return refuse(CodeDisabled, "%s is disabled.", k.ARN())
	case PendingImport:
		return refuse(CodeInvalidState, "%s is pending import.", k.ARN())
	}
	if err := k.Kept(); err != nil {
		return err
	}
	return refuse(CodeInvalidState, "%s is in state %s.", k.ARN(), k.State)
}

// Kept refuses a key that is about to be deleted, or not made yet: it cannot be
// changed.
func (k *Key) Kept() error {
	if k.State == Creating {
		return refuse(CodeInvalidState, "%s is creating.", k.ARN())
	}
	if k.State == PendingDeletion {
		return refuse(CodeInvalidState, "%s is pending deletion.", k.ARN())
	}
	if k.State == PendingReplicaDeletion {
		return refuse(CodeInvalidState, "%s is pending replica deletion.", k.ARN())
	}
	return nil
}

func keyARN(region, account, id string) string {
	return "arn:aws:kms:" + region + ":" + account + ":key/" + id
}

func aliasARN(region, account, name string) string {
	return "arn:aws:kms:" + region + ":" + account + ":" + name
}

// multiRegionPrefix begins the ids of multi-Region keys, and no others.
const multiRegionPrefix = "mrk-"

// newKeyID makes a random UUID (RFC 9562, version 4), or the id of a multi-Region
// key: 32 random hex digits after the prefix.
func (s *Service) newKeyID(multiRegion bool) (string, error) {
	b, err := s.randomBytes(16)
	if err != nil {
		return "", err
	}
	if multiRegion {
		id, _ := keyIDString(formMRK, b)
		return id, nil
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	id, _ := keyIDString(formUUID, b)
	return id, nil
}

// validKeyID reports whether id has the form of a key id: a lower-case UUID, or
// "mrk-" and 32 hex digits.
func validKeyID(id string) bool {
	if digits, ok := strings.CutPrefix(id, multiRegionPrefix); ok {
		return len(digits) == 32 && isHex(digits)
	}
	if len(id) != 36 {
		return false
	}
	for i, part := range strings.Split(id, "-") {
		if i >= 5 || len(part) != [5]int{8, 4, 4, 4, 12}[i] || !isHex(part) {
			return false
		}
	}
	return strings.Count(id, "-") == 4
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
