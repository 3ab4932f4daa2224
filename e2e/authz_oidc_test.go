package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdOIDC is an issuer of OIDC tokens: it makes a key, puts its public half into
// a JSON Web Key Set and tokens into files, one good for a while, one that has
// expired, and one by a key that is not in the set.
func cmdOIDC(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: oidc ISSUER AUDIENCE SUBJECT DIR")
	}
	dir := ts.MkAbs(args[3])
	ts.Check(os.MkdirAll(dir, 0o700))
	save := func(name string, content []byte) { ts.Check(os.WriteFile(dir+"/"+name, content, 0o600)) }
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: key.Public(), KeyID: "1", Algorithm: string(jose.ES256), Use: "sig"},
	}})
	ts.Check(err)
	save("jwks.json", set)
	sign := func(by *ecdsa.PrivateKey, expires time.Time) []byte {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: by},
			(&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "1"))
		ts.Check(err)
		token, err := jwt.Signed(signer).Claims(jwt.Claims{
			Issuer: args[0], Audience: jwt.Audience{args[1]}, Subject: args[2],
			IssuedAt: jwt.NewNumericDate(expires.Add(-2 * time.Hour)), Expiry: jwt.NewNumericDate(expires),
		}).Serialize()
		ts.Check(err)
		return []byte(token)
	}
	save("token", sign(key, time.Now().Add(time.Hour)))
	save("expired", sign(key, time.Now().Add(-time.Hour)))
	save("forged", sign(stranger, time.Now().Add(time.Hour)))
}
