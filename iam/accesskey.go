package iam

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

// ErrNoAccessKey: no access key of that id.
var ErrNoAccessKey = errors.New("access key not found")

// AccessKey is the public part of an access key.
type AccessKey struct {
	Version int       `json:"v"`
	ID      string    `json:"id"`
	Owner   string    `json:"owner"` // ARN of the principal
	Active  bool      `json:"active"`
	Created time.Time `json:"created"`
	Sealed  []byte    `json:"sealed"` // the secret, sealed by the token
}

// Secret is the secret half of an access key. It prints as [redacted].
type Secret string

func (Secret) String() string { return "[redacted]" }

// GoString keeps %#v from showing it.
func (Secret) GoString() string { return "[redacted]" }

// Credentials are an access key id and its secret.
type Credentials struct {
	ID     string
	Secret Secret
}

// NewCredentials makes random ones: AWS's form of 20 and 40 characters, with
// 80 and 240 random bits.
func NewCredentials() Credentials {
	b := make([]byte, 10+30)
	_, _ = rand.Read(b) // never fails: see crypto/rand
	return Credentials{
		ID:     "AKIA" + base32.StdEncoding.EncodeToString(b[:10]),
		Secret: Secret(base64.StdEncoding.EncodeToString(b[10:])),
	}
}

// ParseCredentials reads "ID:SECRET".
func ParseCredentials(text string) (Credentials, error) {
	id, secret, ok := strings.Cut(text, ":")
	switch {
	case !ok || id == "" || secret == "":
		return Credentials{}, errors.New("credentials: want ID:SECRET")
	case len(id) > 128 || strings.ContainsFunc(id, notWord):
		return Credentials{}, errors.New("credentials: access key id wants at most 128 letters, digits and underscores")
	case strings.HasPrefix(id, "ASIA"):
		return Credentials{}, errors.New("credentials: an access key id that begins with ASIA is a temporary one; use another")
	case len(secret) > 256:
		return Credentials{}, errors.New("credentials: secret is longer than 256 bytes")
	}
	return Credentials{ID: id, Secret: Secret(secret)}, nil
}

func notWord(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

const (
	accessKeys    = prefix + "access-key/"
	rootAccessKey = prefix + "root-access-key" // id of the one that init or dev made
)

func purpose(id string) string { return "access-key:" + id }

// SealRootKey makes the root user's access key, ready for PutRootKey. It
// changes nothing.
func (s *Service) SealRootKey(ctx context.Context, c Credentials) (AccessKey, error) {
	sealed, err := s.sealer.Seal(ctx, purpose(c.ID), []byte(c.Secret))
	if err != nil {
		return AccessKey{}, fmt.Errorf("access key %s: %w", c.ID, err)
	}
	return AccessKey{
		Version: 1, ID: c.ID, Owner: Root(s.account).ARN, Active: true,
		Created: s.clock().UTC(), Sealed: sealed,
	}, nil
}

// PutRootKey stores the root user's access key in place of an earlier one.
func (s *Service) PutRootKey(tx Tx, k AccessKey) error {
	old, err := tx.Get(rootAccessKey)
	switch {
	case err == nil:
		if err := tx.Delete(accessKeys + string(old)); err != nil {
			return err
		}
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	record, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := tx.Put(accessKeys+k.ID, record); err != nil {
		return err
	}
	return tx.Put(rootAccessKey, []byte(k.ID))
}

// RootCredentials opens the root user's access key, which the development
// appliance shows again at each start. ErrNoAccessKey when there is none.
func (s *Service) RootCredentials(ctx context.Context) (Credentials, error) {
	id, err := store.Cached(ctx, s.cache, rootAccessKey, func(tx Tx) (string, error) {
		id, err := tx.Get(rootAccessKey)
		return string(id), err
	})
	if errors.Is(err, store.ErrNotFound) {
		return Credentials{}, ErrNoAccessKey
	}
	if err != nil {
		return Credentials{}, err
	}
	k, err := s.AccessKey(ctx, id)
	if err != nil {
		return Credentials{}, err
	}
	secret, err := s.Secret(ctx, k)
	return Credentials{ID: id, Secret: Secret(secret)}, err
}

// AccessKey finds an access key by its id. ErrNoAccessKey when there is none.
func (s *Service) AccessKey(ctx context.Context, id string) (AccessKey, error) {
	if len(id) > 128 || id == "" || strings.ContainsFunc(id, notWord) {
		return AccessKey{}, ErrNoAccessKey
	}
	k, err := store.Cached(ctx, s.cache, accessKeys+id, func(tx Tx) (AccessKey, error) {
		var k AccessKey
		record, err := tx.Get(accessKeys + id)
		if err != nil {
			return k, err
		}
		return k, json.Unmarshal(record, &k)
	})
	if errors.Is(err, store.ErrNotFound) {
		return AccessKey{}, ErrNoAccessKey
	}
	return k, err
}

// Secret opens the secret of an access key. The caller wipes it after use.
func (s *Service) Secret(ctx context.Context, k AccessKey) ([]byte, error) {
	return s.sealer.Unseal(ctx, purpose(k.ID), k.Sealed)
}

// Owner is the principal that an access key belongs to.
func (s *Service) Owner(k AccessKey) (Principal, error) {
	if root := Root(s.account); k.Owner == root.ARN {
		return root, nil
	}
	return Principal{}, fmt.Errorf("access key %s: owner %s: unknown", k.ID, k.Owner)
}

// Fsck checks the service's records and returns what is wrong, a line each.
func Fsck(tx Tx) []string {
	var problems []string
	root, err := tx.Get(rootAccessKey)
	if err != nil {
		problems = append(problems, fmt.Sprintf("root user's access key: %v", err))
	} else if _, err := tx.Get(accessKeys + string(root)); err != nil {
		problems = append(problems, fmt.Sprintf("access key %s: %v", root, err))
	}
	for path, value := range tx.Scan(accessKeys, "") {
		var k AccessKey
		if err := json.Unmarshal(value, &k); err != nil || accessKeys+k.ID != path || len(k.Sealed) == 0 {
			problems = append(problems, fmt.Sprintf("record %s: damaged", path))
		}
	}
	return problems
}
