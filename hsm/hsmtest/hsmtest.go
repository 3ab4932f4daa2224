// Package hsmtest holds the suite that every [hsm.Token] passes. An
// implementation proves itself in one test:
//
//	hsmtest.Run(t, hsmtest.Device{Open: …, Reopen: …})
package hsmtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/keyd-hsm/keyd/hsm"
)

// Handles is how many unwrapped keys a token under test should cache at most,
// so that the suite sees keys leave the cache.
const Handles = 8

// Device opens the tokens that the suite works on.
type Device struct {
	// Open opens an empty token, a new one each time, with a cache of Handles
	// keys. The suite closes it.
	Open func(t *testing.T) hsm.Token
	// Reopen opens the device of a token that the suite has closed once more.
	Reopen func(t *testing.T, closed hsm.Token) hsm.Token
}

// Run runs the suite.
func Run(t *testing.T, d Device) {
	tests := []struct {
		name string
		run  func(*testing.T, hsm.Token)
	}{
		{"info and capabilities", info},
		{"domain keys", domainKeys},
		{"no domain key", noDomainKey},
		{"mac is a function of key and data", deterministic},
		{"wrapped forms that do not open", badWrapped},
		{"keys that name nothing or too much", badKeys},
		{"resident keys", residentKeys},
		{"forget", forget},
		{"random", random},
		{"ended contexts", endedContexts},
		{"more keys than handles", manyKeys},
		{"check", check},
		{"signatures", signs},
		{"decryption", decrypts},
		{"key agreement", derives},
		{"secrets", secretTypes},
		{"types and uses that do not exist", strangeKinds},
		{"each key has one use", oneUse},
		{"inputs that are none", badInputs},
		{"resident pairs", residentPairs},
		{"resident pairs of one id", oneOfMany},
		{"resident pairs given up", leftInTheLurch},
		{"more pairs than handles", manyPairs},
		{"import of secrets", importsSecrets},
		{"one-time codes", oneTimeCodes},
		{"import of pairs", importsPairs},
		{"hostile material", hostileMaterial},
		{"hostile envelopes", hostileEnvelopes},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			token := d.Open(t)
			t.Cleanup(func() {
				if err := token.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			c.run(t, token)
		})
	}
	t.Run("reopen", func(t *testing.T) { reopen(t, d) })
	t.Run("close", func(t *testing.T) { closed(t, d) })
}

const domain = "domain-1"

// ready makes the domain key and n keys under it.
func ready(t *testing.T, token hsm.Token, n int) []hsm.Key {
	t.Helper()
	if err := token.CreateDomainKey(t.Context(), domain); err != nil {
		t.Fatalf("CreateDomainKey: %v", err)
	}
	keys := make([]hsm.Key, n)
	for i := range keys {
		keys[i] = generate(t, token, domain)
	}
	return keys
}

func generate(t *testing.T, token hsm.Token, domain string) hsm.Key {
	t.Helper()
	w, err := token.Generate(t.Context(), domain, hsm.HMACSHA256)
	if err != nil {
		t.Fatalf("Generate: %v", err)
	}
	return hsm.Key{Type: hsm.HMACSHA256, Domain: domain, Wrapped: w}
}

func mac(t *testing.T, token hsm.Token, k hsm.Key, data string) string {
	t.Helper()
	m, err := token.MAC(t.Context(), k, []byte(data))
	if err != nil {
		t.Fatalf("MAC: %v", err)
	}
	if len(m) != 32 {
		t.Fatalf("MAC has %d bytes, want 32", len(m))
	}
	return string(m)
}

// wants fails the test when err is not what it should wrap.
func wants(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want one that wraps %q", what, err, want)
	}
}

// reopen sees what outlives the session with a token, and what a key is worth
// without it.
func reopen(t *testing.T, d Device) {
	token := d.Open(t)
	k := ready(t, token, 1)[0]
	if err := token.GenerateResident(t.Context(), "stays", hsm.HMACSHA256); err != nil {
		t.Fatal(err)
	}
	stays := hsm.Key{Type: hsm.HMACSHA256, Resident: "stays"}
	before, beforeResident := mac(t, token, k, "data"), mac(t, token, stays, "data")
	if err := token.Close(); err != nil {
		t.Fatal(err)
	}
	token = d.Reopen(t, token)
	defer token.Close()
	if mac(t, token, k, "data") != before {
		t.Error("wrapped key computes another MAC after a reopen")
	}
	if mac(t, token, stays, "data") != beforeResident {
		t.Error("resident key computes another MAC after a reopen")
	}
	stranger := d.Open(t)
	defer stranger.Close()
	if err := stranger.CreateDomainKey(t.Context(), domain); err != nil {
		t.Fatal(err)
	}
	_, err := stranger.MAC(t.Context(), k, nil)
	wants(t, "MAC on a token with another domain key", err, hsm.ErrWrapped)
}

func closed(t *testing.T, d Device) {
	token := d.Open(t)
	k := ready(t, token, 1)[0]
	mac(t, token, k, "data")
	for i := range 2 {
		if err := token.Close(); err != nil {
			t.Fatalf("Close number %d: %v", i+1, err)
		}
	}
	for name, call := range calls(token, k) {
		wants(t, name+" after Close", call(t.Context()), hsm.ErrUnavailable)
	}
	token.Forget(k)
}

// calls are all methods that take a context.
func calls(token hsm.Token, k hsm.Key) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"CreateDomainKey":  func(ctx context.Context) error { return token.CreateDomainKey(ctx, "another") },
		"DomainKeys":       func(ctx context.Context) error { _, err := token.DomainKeys(ctx); return err },
		"Generate":         func(ctx context.Context) error { _, err := token.Generate(ctx, domain, hsm.HMACSHA256); return err },
		"GenerateResident": func(ctx context.Context) error { return token.GenerateResident(ctx, "another", hsm.HMACSHA256) },
		"DestroyResident":  func(ctx context.Context) error { return token.DestroyResident(ctx, "another") },
		"MAC":              func(ctx context.Context) error { _, err := token.MAC(ctx, k, nil); return err },
		"GeneratePair": func(ctx context.Context) error {
			_, _, err := token.GeneratePair(ctx, domain, hsm.P256, hsm.Sign)
			return err
		},
		"GenerateResidentPair": func(ctx context.Context) error {
			_, err := token.GenerateResidentPair(ctx, "another", hsm.P256, hsm.Sign)
			return err
		},
		"Import": func(ctx context.Context) error {
			_, _, err := token.Import(ctx, domain, hsm.HMACSHA256, 0, hsm.Envelope{
				Transport: as(k, hsm.RSA2048, hsm.Transport), Key: make([]byte, 256),
			})
			return err
		},
		"Sign": func(ctx context.Context) error {
			_, err := token.Sign(ctx, as(k, hsm.P256, hsm.Sign), signings(hsm.P256)[0], make([]byte, 32))
			return err
		},
		"Decrypt": func(ctx context.Context) error {
			_, err := token.Decrypt(ctx, as(k, hsm.RSA2048, hsm.Decrypt), make([]byte, 256))
			return err
		},
		"Derive": func(ctx context.Context) error {
			_, err := token.Derive(ctx, as(k, hsm.P256, hsm.Derive), somePoint(hsm.P256))
			return err
		},
		"Random": func(ctx context.Context) error { _, err := token.Random(ctx, 8); return err },
		"Check":  func(ctx context.Context) error { return token.Check(ctx, domain) },
	}
}

// as calls a key another.
func as(k hsm.Key, of hsm.KeyType, u hsm.Use) hsm.Key {
	k.Type, k.Use = of, u
	return k
}

func name(i int) string { return fmt.Sprintf("key %d", i) }
