package kms

import (
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/policy"
)

// State is the state of a KMS key, in AWS's words.
type State string

// The states that keys have so far.
const (
	Enabled         State = "Enabled"
	Disabled        State = "Disabled"
	PendingDeletion State = "PendingDeletion"
)

// Key specs, usages and origins that are offered.
const (
	SymmetricDefault = "SYMMETRIC_DEFAULT"
	EncryptDecrypt   = "ENCRYPT_DECRYPT"
	OriginKMS        = "AWS_KMS"
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
	Policy        string            `json:"policy"`                  // the key policy as it was put
	Tags          map[string]string `json:"tags,omitempty"`
	Current       uint32            `json:"current"` // number of the backing key that encrypts

	// Read with the key from records of their own.
	material map[uint32]Material // by number
	aliases  []string            // names, sorted
	compiled *policy.Policy
}

// Aliases are the names of the key's aliases, sorted.
func (k *Key) Aliases() []string { return k.aliases }

// CompiledPolicy is the key policy, ready to be asked. One that cannot be read
// denies everything.
func (k *Key) CompiledPolicy() *policy.Policy { return k.compiled }

// Material is one backing key: a secret in wrapped form.
type Material struct {
	Version int       `json:"v"`
	Number  uint32    `json:"number"`
	ID      string    `json:"id"`      // 64 hex digits, docs/spec/ciphertext.md
	Domain  string    `json:"domain"`  // the domain key it is wrapped under
	Wrapped []byte    `json:"wrapped"` // RFC 5649
	Created time.Time `json:"created"`
}

func (m Material) key() hsm.Key { return hsm.Key{Domain: m.Domain, Wrapped: m.Wrapped} }

// ARN is the key's Amazon Resource Name.
func (k *Key) ARN() string { return keyARN(k.Region, k.Account, k.ID) }

// MaterialID names the backing key that encrypts now.
func (k *Key) MaterialID() string { return k.material[k.Current].ID }

// Usable refuses a key whose state allows no cryptographic operation.
func (k *Key) Usable() error {
	switch k.State {
	case Enabled:
		return nil
	case Disabled:
		return refuse(CodeDisabled, "%s is disabled.", k.ARN())
	case PendingDeletion:
		return k.Kept()
	}
	return refuse(CodeInvalidState, "%s is in state %s.", k.ARN(), k.State)
}

// Kept refuses a key that is about to be deleted: it cannot be changed.
func (k *Key) Kept() error {
	if k.State == PendingDeletion {
		return refuse(CodeInvalidState, "%s is pending deletion.", k.ARN())
	}
	return nil
}

func keyARN(region, account, id string) string {
	return "arn:aws:kms:" + region + ":" + account + ":key/" + id
}

func aliasARN(region, account, name string) string {
	return "arn:aws:kms:" + region + ":" + account + ":" + name
}

// newKeyID makes a random UUID (RFC 9562, version 4).
func (s *Service) newKeyID() (string, error) {
	b, err := s.randomBytes(16)
	if err != nil {
		return "", err
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	id, _ := keyIDString(formUUID, b)
	return id, nil
}

// validKeyID reports whether id has the form of a key id: a lower-case UUID, or
// "mrk-" and 32 hex digits.
func validKeyID(id string) bool {
	if digits, ok := strings.CutPrefix(id, "mrk-"); ok {
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
