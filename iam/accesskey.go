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

// ErrNoAccessKey: no access key of that id, or none that belongs to anybody.
var ErrNoAccessKey = errors.New("access key not found")

// AccessKey is the public part of an access key.
type AccessKey struct {
	Version int    `json:"v"`
	ID      string `json:"id"`
	// Owner is the unique id of the user, or the ARN of the root user.
	Owner   string    `json:"owner"`
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

func purpose(id string) string { return "access-key:" + id }

// SealKey makes an active access key that belongs to nobody yet, ready for
// CreateAccessKey. It changes nothing.
func (s *Service) SealKey(ctx context.Context, c Credentials) (AccessKey, error) {
	sealed, err := s.sealer.Seal(ctx, purpose(c.ID), []byte(c.Secret))
	if err != nil {
		return AccessKey{}, fmt.Errorf("access key %s: %w", c.ID, err)
	}
	return AccessKey{Version: 1, ID: c.ID, Active: true, Created: s.now(), Sealed: sealed}, nil
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

// Owner is the principal that an access key belongs to, as it is now: under its
// present name and path, with its present tags. ErrNoAccessKey when the user is
// gone.
func (s *Service) Owner(ctx context.Context, k AccessKey) (Principal, error) {
	if root := Root(s.account); k.Owner == root.ARN {
		return root, nil
	}
	u, err := s.UserByID(ctx, nil, k.Owner)
	if isNoSuch(err) {
		// A rename between the two reads behind this looks the same; by now it is over.
		u, err = s.UserByID(ctx, nil, k.Owner)
	}
	if isNoSuch(err) {
		return Principal{}, ErrNoAccessKey
	}
	if err != nil {
		return Principal{}, err
	}
	return Principal{Type: TypeUser, Account: u.Account, ARN: u.ARN(), ID: u.ID, Name: u.Name, Tags: u.Tags}, nil
}
