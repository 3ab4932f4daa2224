package hsmtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/hsm"
)

func info(t *testing.T, token hsm.Token) {
	if i := token.Info(); i.Label == "" && i.Serial == "" {
		t.Errorf("Info = %+v: nothing tells this token from another", i)
	}
	c := token.Capabilities()
	if !slices.IsSorted(c.Mechanisms) || !c.Has("CKM_SHA256_HMAC") {
		t.Errorf("Mechanisms = %v: not sorted, or without CKM_SHA256_HMAC", c.Mechanisms)
	}
	c.Mechanisms[0] = "changed"
	if token.Capabilities().Mechanisms[0] == "changed" {
		t.Error("Capabilities lends its own slice")
	}
}

func domainKeys(t *testing.T, token hsm.Token) {
	ctx := t.Context()
	if ids, err := token.DomainKeys(ctx); err != nil || len(ids) != 0 {
		t.Fatalf("DomainKeys of an empty token = %q, %v", ids, err)
	}
	for _, id := range []string{"b", "a", "a/2 ü"} {
		if err := token.CreateDomainKey(ctx, id); err != nil {
			t.Fatalf("CreateDomainKey(%q): %v", id, err)
		}
	}
	wants(t, "second CreateDomainKey", token.CreateDomainKey(ctx, "a"), hsm.ErrExists)
	ids, err := token.DomainKeys(ctx)
	if want := []string{"a", "a/2 ü", "b"}; err != nil || !slices.Equal(ids, want) {
		t.Errorf("DomainKeys = %q, %v; want %q", ids, err, want)
	}
	for _, id := range []string{"", strings.Repeat("x", 5000)} {
		if token.CreateDomainKey(ctx, id) == nil {
			t.Errorf("CreateDomainKey took an id of %d bytes", len(id))
		}
	}
}

func noDomainKey(t *testing.T, token hsm.Token) {
	_, err := token.Generate(t.Context(), "nowhere", hsm.HMACSHA256)
	wants(t, "Generate", err, hsm.ErrNotFound)
	_, err = token.MAC(t.Context(), hsm.Key{Type: hsm.HMACSHA256, Domain: "nowhere", Wrapped: make([]byte, 40)}, nil)
	wants(t, "MAC", err, hsm.ErrNotFound)
	wants(t, "Check", token.Check(t.Context(), "nowhere"), hsm.ErrNotFound)
	ready(t, token, 1)
	_, err = token.Generate(t.Context(), domain, hsm.KeyType(77))
	wants(t, "Generate of an unknown type", err, hsm.ErrUnsupported)
}

func deterministic(t *testing.T, token hsm.Token) {
	keys := ready(t, token, 2)
	a := mac(t, token, keys[0], "data")
	if mac(t, token, keys[0], "data") != a {
		t.Error("two MACs of the same data differ")
	}
	token.Forget(keys[0])
	if mac(t, token, keys[0], "data") != a {
		t.Error("MAC differs after the key was unwrapped again")
	}
	if mac(t, token, keys[0], "datb") == a {
		t.Error("MACs of different data are the same")
	}
	if mac(t, token, keys[1], "data") == a {
		t.Error("two keys compute the same MAC")
	}
	if mac(t, token, keys[0], "") == mac(t, token, keys[1], "") {
		t.Error("two keys compute the same MAC of nothing")
	}
	large := strings.Repeat("x", 1<<20)
	if mac(t, token, keys[0], large) == mac(t, token, keys[0], large[1:]) {
		t.Error("MACs of different large data are the same")
	}
}

// badWrapped tries wrapped forms that somebody altered. None may be taken,
// whether or not the right key is in the cache, and the token works on.
func badWrapped(t *testing.T, token hsm.Token) {
	k := ready(t, token, 1)[0]
	if err := token.CreateDomainKey(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	good := mac(t, token, k, "data")
	try := func(what string, k hsm.Key) {
		t.Helper()
		_, err := token.MAC(t.Context(), k, []byte("data"))
		wants(t, what, err, hsm.ErrWrapped)
	}
	for i := range k.Wrapped {
		altered := slices.Clone(k.Wrapped)
		altered[i] ^= 1 << (i % 8)
		try("one bit altered", hsm.Key{Type: hsm.HMACSHA256, Domain: domain, Wrapped: altered})
	}
	for n := range k.Wrapped {
		try("truncated", hsm.Key{Type: hsm.HMACSHA256, Domain: domain, Wrapped: k.Wrapped[:n]})
		if n > 0 {
			try("beheaded", hsm.Key{Type: hsm.HMACSHA256, Domain: domain, Wrapped: k.Wrapped[n:]})
		}
	}
	for _, n := range []int{1, 8, 16, 4096, 1 << 20} {
		try("lengthened", hsm.Key{Type: hsm.HMACSHA256, Domain: domain, Wrapped: append(slices.Clone(k.Wrapped), make([]byte, n)...)})
	}
	try("under another domain key", hsm.Key{Type: hsm.HMACSHA256, Domain: "other", Wrapped: k.Wrapped})
	if mac(t, token, k, "data") != good {
		t.Error("the key computes another MAC afterwards")
	}
}

func badKeys(t *testing.T, token hsm.Token) {
	k := ready(t, token, 1)[0]
	if err := token.GenerateResident(t.Context(), "r", hsm.HMACSHA256); err != nil {
		t.Fatal(err)
	}
	k.Resident = "r"
	for _, k := range []hsm.Key{{}, {Domain: domain}, k} {
		if _, err := token.MAC(t.Context(), k, nil); err == nil {
			t.Errorf("MAC took %+v", k)
		}
	}
}

func residentKeys(t *testing.T, token hsm.Token) {
	ctx := t.Context()
	ready(t, token, 0)
	a, b := hsm.Key{Type: hsm.HMACSHA256, Resident: "a"}, hsm.Key{Type: hsm.HMACSHA256, Resident: "b"}
	_, err := token.MAC(ctx, a, nil)
	wants(t, "MAC before GenerateResident", err, hsm.ErrNotFound)
	for _, k := range []hsm.Key{a, b} {
		if err := token.GenerateResident(ctx, k.Resident, hsm.HMACSHA256); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, "second GenerateResident", token.GenerateResident(ctx, "a", hsm.HMACSHA256), hsm.ErrExists)
	m := mac(t, token, a, "data")
	if mac(t, token, b, "data") == m {
		t.Error("two resident keys compute the same MAC")
	}
	token.Forget(a)
	if mac(t, token, a, "data") != m {
		t.Error("MAC differs after Forget")
	}
	if err := token.DestroyResident(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	_, err = token.MAC(ctx, a, []byte("data"))
	wants(t, "MAC after DestroyResident", err, hsm.ErrNotFound)
	wants(t, "second DestroyResident", token.DestroyResident(ctx, "a"), hsm.ErrNotFound)
	mac(t, token, b, "data")
	if err := token.GenerateResident(ctx, "a", hsm.HMACSHA256); err != nil {
		t.Fatal(err)
	}
	if mac(t, token, a, "data") == m {
		t.Error("a destroyed key came back under its id")
	}
	wants(t, "DestroyResident of a domain key", token.DestroyResident(ctx, domain), hsm.ErrNotFound)
}

func forget(t *testing.T, token hsm.Token) {
	keys := ready(t, token, 2)
	token.Forget(keys[0])
	token.Forget(hsm.Key{})
	m := mac(t, token, keys[0], "data")
	for range 3 {
		token.Forget(keys[0])
	}
	if mac(t, token, keys[0], "data") != m {
		t.Error("MAC differs after Forget")
	}
	mac(t, token, keys[1], "data")
}

// secretTypes makes secrets of every type, wrapped and resident, and computes.
func secretTypes(t *testing.T, token hsm.Token) {
	ready(t, token, 0)
	for of, hash := range secrets {
		w, err := token.Generate(t.Context(), domain, of)
		if err != nil {
			t.Fatalf("Generate for %v: %v", hash, err)
		}
		id := fmt.Sprintf("%v of type %d", hash, of)
		if err := token.GenerateResident(t.Context(), id, of); err != nil {
			t.Fatalf("GenerateResident for %v: %v", hash, err)
		}
		seen := make(map[string]bool)
		for _, k := range []hsm.Key{{Type: of, Domain: domain, Wrapped: w}, {Type: of, Resident: id}} {
			for _, data := range []string{"", "data", strings.Repeat("x", 4096)} {
				first, err := token.MAC(t.Context(), k, []byte(data))
				if err != nil || len(first) != hash.Size() || seen[string(first)] {
					t.Fatalf("MAC with %v: %x, %v", hash, first, err)
				}
				seen[string(first)] = true
				token.Forget(k)
				if again, err := token.MAC(t.Context(), k, []byte(data)); err != nil || string(again) != string(first) {
					t.Fatalf("MAC with %v again: %x, %v", hash, again, err)
				}
			}
		}
	}
}
