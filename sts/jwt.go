package sts

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// algorithms are those a web identity token may be signed with. "none" and the
// HMAC ones, for which an issuer's public key would be the secret, are not.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512,
}

const (
	// tokenSkew is how far an issuer's clock may be off.
	tokenSkew = time.Minute
	maxJWT    = 20_000
	maxKeys   = 100 // of an issuer that are looked at
	maxTries  = 8   // keys that a token without a key id is tried with
)

// claims are what is read of a web identity token.
type claims struct {
	jwt.Claims
	AuthorizedParty string    `json:"azp"`
	Methods         oneOrMany `json:"amr"`
}

// oneOrMany is a claim that is a text or a list of texts.
type oneOrMany []string

// UnmarshalJSON takes both forms.
func (o *oneOrMany) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*o = oneOrMany{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(o))
}

func notJWT() error {
	return refuse(CodeInvalidToken, "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
}

// parseJWT reads a token, believing nothing of it yet.
func parseJWT(token string) (*jwt.JSONWebToken, *claims, error) {
	if len(token) > maxJWT {
		return nil, nil, notJWT()
	}
	t, err := jwt.ParseSigned(token, algorithms)
	if err != nil || len(t.Headers) != 1 {
		return nil, nil, notJWT()
	}
	c := new(claims)
	if err := t.UnsafeClaimsWithoutVerification(c); err != nil {
		return nil, nil, notJWT()
	}
	if c.Issuer == "" {
		return nil, nil, missingClaim("iss")
	}
	return t, c, nil
}

// verifyJWT checks the signature of a token by the keys of its issuer. A key
// that is not among those known is asked for once more: issuers change keys.
func (s *Service) verifyJWT(ctx context.Context, t *jwt.JSONWebToken, issuer string) error {
	for _, fresh := range []bool{false, true} {
		set, err := s.IssuerKeys(ctx, issuer, fresh)
		if err != nil {
			return refuse(CodeIDPUnreachable, "The keys of the identity provider %s could not be fetched.", clip(issuer))
		}
		candidates := candidates(set, t.Headers[0])
		for _, k := range candidates {
			if t.Claims(k, new(claims)) == nil {
				return nil
			}
		}
		if len(candidates) > 0 && t.Headers[0].KeyID != "" {
			return refuse(CodeInvalidToken, "The signature of the web identity token is not valid.")
		}
	}
	return refuse(CodeInvalidToken, "Couldn't retrieve verification key from your identity provider,  "+
		"please reference AssumeRoleWithWebIdentity documentation for requirements")
}

// candidates are the keys of a JSON Web Key Set that may have signed under the
// header. Keys of kinds that are not known are passed over.
func candidates(set []byte, h jose.Header) []any {
	var all struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(set, &all) != nil {
		return nil
	}
	var found []any
	for _, text := range all.Keys[:min(len(all.Keys), maxKeys)] {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(text) != nil || !k.Valid() || !k.IsPublic() ||
			h.KeyID != "" && k.KeyID != h.KeyID ||
			k.Use != "" && k.Use != "sig" || k.Algorithm != "" && k.Algorithm != h.Algorithm ||
			!fits(k.Key, h.Algorithm) {
			continue
		}
		if found = append(found, k.Key); len(found) == maxTries {
			break
		}
	}
	return found
}

// fits reports whether a key is of the kind and a size to be used with alg.
func fits(key any, alg string) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		bits := k.N.BitLen()
		return alg[0] != 'E' && bits >= 2048 && bits <= 8192
	case *ecdsa.PublicKey:
		return alg == map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[k.Curve.Params().BitSize]
	}
	return false
}

// check holds the claims against the provider and the time.
func (c *claims) check(clients []string, now time.Time) (audience string, err error) {
	switch {
	case c.Subject == "":
		return "", missingClaim("sub")
	case len(c.Audience) == 0:
		return "", missingClaim("aud")
	case c.Expiry == nil:
		return "", missingClaim("exp")
	case c.IssuedAt == nil:
		return "", missingClaim("iat")
	case !now.Before(c.Expiry.Time().Add(tokenSkew)):
		return "", refuse(CodeExpired, "Token expired: current date/time %d must be before the expiration date/time %d",
			now.Unix(), c.Expiry.Time().Unix())
	case c.IssuedAt.Time().After(now.Add(tokenSkew)), c.NotBefore != nil && c.NotBefore.Time().After(now.Add(tokenSkew)):
		return "", refuse(CodeInvalidToken, "The web identity token is not valid yet.")
	}
	i := slices.IndexFunc(c.Audience, func(aud string) bool { return slices.Contains(clients, aud) })
	if i < 0 {
		return "", refuse(CodeInvalidToken, "Incorrect token audience")
	}
	return c.Audience[i], nil
}

func missingClaim(name string) error {
	return refuse(CodeInvalidToken, "Missing a required claim: %s", name)
}

// clip makes a foreign text fit to be repeated in an error.
func clip(s string) string {
	const limit = 256
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
