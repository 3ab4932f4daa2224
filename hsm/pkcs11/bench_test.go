package pkcs11_test

import (
	"testing"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/softhsm"
)

const domain = "domain-1"

// testToken opens a new token with a domain key and makes n keys under it.
func testToken(t testing.TB, n int) (*pkcs11.Token, []hsm.Key) {
	t.Helper()
	return opened(t, softhsm.Test(t).Config(), n)
}

func opened(t testing.TB, c pkcs11.Config, n int) (*pkcs11.Token, []hsm.Key) {
	t.Helper()
	token, err := pkcs11.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := token.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if err := token.CreateDomainKey(t.Context(), domain); err != nil {
		t.Fatal(err)
	}
	keys := make([]hsm.Key, n)
	for i := range keys {
		w, err := token.Generate(t.Context(), domain, hsm.HMACSHA256)
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = hsm.Key{Type: hsm.HMACSHA256, Domain: domain, Wrapped: w}
	}
	return token, keys
}

// message is as long as the input of one derived key.
var message = make([]byte, 64)

func BenchmarkMAC(b *testing.B) {
	token, keys := testToken(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := token.MAC(b.Context(), keys[0], message); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMACParallel(b *testing.B) {
	token, keys := testToken(b, 64)
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := token.MAC(b.Context(), keys[i%len(keys)], message); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkUnwrap(b *testing.B) {
	c := softhsm.Test(b).Config()
	c.MaxHandles = 1
	token, keys := opened(b, c, 2)
	for i := 0; b.Loop(); i++ {
		if _, err := token.MAC(b.Context(), keys[i%2], message); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignP256(b *testing.B) {
	token, _ := testToken(b, 0)
	f := newFleet(b, token)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := token.Sign(b.Context(), f.signs, es256, message[:32]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignRSA2048PSS(b *testing.B) {
	token, _ := testToken(b, 0)
	w, _, err := token.GeneratePair(b.Context(), domain, hsm.RSA2048, hsm.Sign)
	if err != nil {
		b.Fatal(err)
	}
	k := hsm.Key{Type: hsm.RSA2048, Use: hsm.Sign, Domain: domain, Wrapped: w}
	for b.Loop() {
		if _, err := token.Sign(b.Context(), k, ps256, message[:32]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDeriveP256(b *testing.B) {
	token, _ := testToken(b, 0)
	f := newFleet(b, token)
	for b.Loop() {
		if _, err := token.Derive(b.Context(), f.derives, f.point); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGeneratePairP256(b *testing.B) {
	token, _ := testToken(b, 0)
	for b.Loop() {
		if _, _, err := token.GeneratePair(b.Context(), domain, hsm.P256, hsm.Sign); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	token, _ := testToken(b, 0)
	for b.Loop() {
		if _, err := token.Generate(b.Context(), domain, hsm.HMACSHA256); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRandom32(b *testing.B) {
	token, _ := testToken(b, 0)
	for b.Loop() {
		if _, err := token.Random(b.Context(), 32); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	token, _ := testToken(b, 0)
	for b.Loop() {
		if err := token.Check(b.Context(), domain); err != nil {
			b.Fatal(err)
		}
	}
}
