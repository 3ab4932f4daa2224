package kms

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/keyd-hsm/keyd/store"
)

// A grant token is base64 of: a version byte, a salt that makes every token
// another, a tag, and region, key id and grant id with slashes between them. The
// tag is HMAC-SHA-256 of salt and names with the seed of the grant, so a token
// proves that CreateGrant made it. It is no secret and gives nobody a right.
const (
	tokenVersion = 1
	saltSize     = 16
	seedSize     = 32
	tokenHead    = 1 + saltSize + sha256.Size
)

// newGrantToken makes another token of a grant.
func (s *Service) newGrantToken(g *Grant) (string, error) {
	salt, err := s.randomBytes(saltSize)
	if err != nil {
		return "", err
	}
	names := g.Region + "/" + g.Key + "/" + g.ID
	b := append([]byte{tokenVersion}, salt...)
	b = append(b, tokenTag(g.Seed, salt, names)...)
	return base64.StdEncoding.EncodeToString(append(b, names...)), nil
}

func tokenTag(seed, salt []byte, names string) []byte {
	h := hmac.New(sha256.New, seed)
	h.Write(salt)
	h.Write([]byte(names))
	return h.Sum(nil)
}

// errGrantToken is the answer to a token that is malformed or of no grant; AWS
// sends it without a message.
var errGrantToken = &Error{Code: CodeInvalidGrantToken}

// A grantToken is a parsed token. Its tag has not been checked.
type grantToken struct {
	salt, tag       []byte
	names           string
	region, key, id string
}

func parseGrantToken(text string) (t grantToken, ok bool) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) <= tokenHead || b[0] != tokenVersion {
		return t, false
	}
	t.salt, t.tag, t.names = b[1:1+saltSize], b[1+saltSize:tokenHead], string(b[tokenHead:])
	parts := strings.Split(t.names, "/")
	if len(parts) != 3 || len(parts[0]) > 64 || !validKeyID(parts[1]) || !validGrantID(parts[2]) {
		return t, false
	}
	t.region, t.key, t.id = parts[0], parts[1], parts[2]
	return t, true
}

// GrantByToken finds the grant of a region that a token is of. It refuses what is
// no token, or of no grant there, with InvalidGrantTokenException.
func (s *Service) GrantByToken(ctx context.Context, tx Tx, region, token string) (*Grant, error) {
	t, ok := parseGrantToken(token)
	if !ok || t.region != region {
		return nil, errGrantToken
	}
	g, err := s.grantAt(ctx, tx, t.region, t.key, t.id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errGrantToken
	}
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(t.tag, tokenTag(g.Seed, t.salt, t.names)) {
		return nil, errGrantToken
	}
	return g, nil
}

// CheckGrantTokens refuses the tokens of a request unless each is of a grant,
// be it on another key: grants act at once, so that nothing else depends on it
// (rule 7.6).
func (s *Service) CheckGrantTokens(ctx context.Context, tx Tx, region string, tokens []string) error {
	for _, t := range tokens {
		if _, err := s.GrantByToken(ctx, tx, region, t); err != nil {
			return err
		}
	}
	return nil
}
