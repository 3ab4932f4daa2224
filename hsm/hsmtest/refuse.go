package hsmtest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"slices"
	"testing"

	"github.com/keyd-hsm/keyd/hsm"
)

// strangeKinds are types and uses that exist nowhere, or not together.
func strangeKinds(t *testing.T, token hsm.Token) {
	ready(t, token, 0)
	type kind struct {
		of hsm.KeyType
		u  hsm.Use
	}
	for _, k := range []kind{
		{0, 0}, {0, hsm.Sign}, {-1, hsm.Sign}, {77, hsm.Sign},
		{hsm.P256, 0}, {hsm.P256, -1}, {hsm.P256, 77}, {hsm.P256, hsm.Decrypt}, {hsm.P256, hsm.Transport},
		{hsm.RSA2048, 0}, {hsm.RSA2048, hsm.Derive}, {hsm.RSA2048, 77},
		{hsm.Secp256k1, hsm.Derive}, {hsm.Ed25519, hsm.Derive}, {hsm.Ed25519, hsm.Decrypt},
		{hsm.HMACSHA256, 0}, {hsm.HMACSHA256, hsm.Sign},
	} {
		_, _, err := token.GeneratePair(t.Context(), domain, k.of, k.u)
		wants(t, "GeneratePair", err, hsm.ErrUnsupported)
		_, err = token.GenerateResidentPair(t.Context(), "strange", k.of, k.u)
		wants(t, "GenerateResidentPair", err, hsm.ErrUnsupported)
		if k == (kind{hsm.HMACSHA256, 0}) {
			continue
		}
		_, _, err = token.Import(t.Context(), domain, k.of, k.u, hsm.Envelope{})
		wants(t, "Import", err, hsm.ErrUnsupported)
		key := hsm.Key{Type: k.of, Use: k.u, Domain: domain, Wrapped: make([]byte, 40)}
		for name, use := range uses(token, key) {
			if use() == nil {
				t.Errorf("%s took a key of type %d and use %d", name, k.of, k.u)
			}
		}
	}
	for of := range types {
		_, err := token.Generate(t.Context(), domain, of)
		wants(t, "Generate of a pair", err, hsm.ErrUnsupported)
		wants(t, "GenerateResident of a pair", token.GenerateResident(t.Context(), "strange", of), hsm.ErrUnsupported)
	}
}

// uses are all that is done with a key.
func uses(token hsm.Token, k hsm.Key) map[string]func() error {
	ctx := context.Background()
	return map[string]func() error{
		"MAC":  func() error { _, err := token.MAC(ctx, k, []byte("data")); return err },
		"Sign": func() error { _, err := token.Sign(ctx, k, signings(k.Type)[0], make([]byte, 32)); return err },
		"Decrypt": func() error {
			_, err := token.Decrypt(ctx, k, make([]byte, 256)) // as long as the modulus of RSA-2048
			return err
		},
		"Derive": func() error { _, err := token.Derive(ctx, k, somePoint(k.Type)); return err },
	}
}

// somePoint lies on the curve of a type, or P-256.
func somePoint(of hsm.KeyType) []byte {
	c := curves[of]
	if c == nil {
		c = ecdh.P256()
	}
	k, err := c.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return k.PublicKey().Bytes()
}

// oneUse sees that a key does what its use is and nothing else, whatever it is
// called.
func oneUse(t *testing.T, token hsm.Token) {
	secret := ready(t, token, 1)[0]
	allowed := map[hsm.Use]string{0: "MAC", hsm.Sign: "Sign", hsm.Decrypt: "Decrypt", hsm.Transport: "Decrypt", hsm.Derive: "Derive"}
	keys := []hsm.Key{secret}
	for _, k := range []hsm.Key{
		{Type: hsm.RSA2048, Use: hsm.Sign}, {Type: hsm.RSA2048, Use: hsm.Decrypt}, {Type: hsm.RSA2048, Use: hsm.Transport},
		{Type: hsm.P256, Use: hsm.Sign}, {Type: hsm.P256, Use: hsm.Derive},
	} {
		if p, ok := newPair(t, token, k.Type, k.Use); ok {
			keys = append(keys, p.Key)
		}
	}
	for _, k := range keys {
		for name, use := range uses(token, k) {
			if err := use(); (err == nil) != (name == allowed[k.Use]) {
				t.Errorf("%s with a key of type %d and use %d: %v", name, k.Type, k.Use, err)
			}
		}
		for _, other := range keys {
			lie := k
			lie.Type, lie.Use = other.Type, other.Use
			if lie.Type == k.Type {
				continue
			}
			// Twice: a working copy of the right kind may be at hand, or not.
			for range 2 {
				wants(t, "a key called another", uses(token, lie)[allowed[lie.Use]](), hsm.ErrWrapped)
				token.Forget(k)
			}
		}
	}
	works(t, token)
}

// badInputs are refused without asking a token that could take offence.
func badInputs(t *testing.T, token hsm.Token) {
	ready(t, token, 0)
	t.Run("signing", func(t *testing.T) { badDigests(t, token) })
	t.Run("decryption", func(t *testing.T) { badCiphertexts(t, token) })
	t.Run("key agreement", func(t *testing.T) { badPoints(t, token) })
	works(t, token)
}

func badDigests(t *testing.T, token hsm.Token) {
	for _, of := range []hsm.KeyType{hsm.RSA2048, hsm.P256, hsm.Ed25519} {
		p, ok := newPair(t, token, of, hsm.Sign)
		if !ok {
			continue
		}
		good := signings(of)
		for scheme := hsm.Scheme(-1); scheme < 7; scheme++ {
			for _, h := range []crypto.Hash{0, crypto.MD5, crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, 99} {
				a := hsm.Signing{Scheme: scheme, Hash: h}
				if slices.Contains(good, a) {
					continue
				}
				_, err := token.Sign(t.Context(), p.Key, a, make([]byte, 32))
				wants(t, "Sign with a scheme that is not of the key", err, hsm.ErrUnsupported)
			}
		}
		if of == hsm.Ed25519 {
			continue
		}
		for _, a := range good {
			for _, n := range []int{0, 1, a.Hash.Size() - 1, a.Hash.Size() + 1, 4096} {
				if _, err := token.Sign(t.Context(), p.Key, a, make([]byte, n)); err == nil {
					t.Errorf("Sign with %+v took a digest of %d bytes", a, n)
				}
			}
		}
	}
}

func badCiphertexts(t *testing.T, token hsm.Token) {
	p, ok := newPair(t, token, hsm.RSA2048, hsm.Decrypt)
	if !ok {
		return
	}
	n := publicKey(t, p).(*rsa.PublicKey).N
	above := new(big.Int).Add(n, big.NewInt(1))
	for _, c := range [][]byte{
		nil, {1}, make([]byte, 255), make([]byte, 257), make([]byte, 1<<20),
		n.Bytes(), above.Bytes(), bytes.Repeat([]byte{0xff}, 256),
	} {
		if _, err := token.Decrypt(t.Context(), p.Key, c); err == nil {
			t.Errorf("Decrypt took %d bytes that are no ciphertext", len(c))
		}
	}
}

func badPoints(t *testing.T, token hsm.Token) {
	for of := range curves {
		p, ok := newPair(t, token, of, hsm.Derive)
		if !ok {
			continue
		}
		point := somePoint(of)
		off, compressed := slices.Clone(point), slices.Clone(point[:1+len(point)/2])
		off[len(off)-1] ^= 1
		compressed[0] = 2
		hybrid := slices.Clone(point)
		hybrid[0] = 6
		for _, q := range [][]byte{
			nil, {0}, {4}, off, compressed, hybrid, point[1:], point[:len(point)-1],
			append(slices.Clone(point), 0), append([]byte{4}, make([]byte, len(point)-1)...), make([]byte, 1<<16),
		} {
			if _, err := token.Derive(t.Context(), p.Key, q); err == nil {
				t.Errorf("Derive took %x", q)
			}
		}
	}
}
