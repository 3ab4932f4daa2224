package pkcs11_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/hsmtest"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
)

// FuzzImport sends what it likes to the token as a private key, in a good
// envelope. The token refuses it, or it is a key that works.
func FuzzImport(f *testing.F) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	good, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		f.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	goodRSA, err := x509.MarshalPKCS8PrivateKey(r)
	if err != nil {
		f.Fatal(err)
	}
	token, _ := testToken(f, 0)
	transport, public := transportKey(f, token)
	kek := make([]byte, 32)
	sealed, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, kek, nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{good, good[:40], append(good, 0), goodRSA, goodRSA[:700], {0x30, 0x84}} {
		f.Add(b, uint8(hsm.P256))
		f.Add(b, uint8(hsm.RSA2048))
	}
	f.Fuzz(func(t *testing.T, material []byte, of uint8) {
		if len(material) == 0 || len(material) > 4096 {
			return
		}
		e := hsm.Envelope{Transport: transport, Key: sealed, Body: hsmtest.WrapKey(kek, material)}
		w, _, err := token.Import(t.Context(), domain, hsm.KeyType(of), hsm.Sign, e)
		if errors.Is(err, hsm.ErrMaterial) || errors.Is(err, hsm.ErrUnsupported) {
			return
		}
		a := es256
		if hsm.KeyType(of) <= hsm.RSA4096 {
			a = ps256
		}
		if err == nil {
			key := hsm.Key{Type: hsm.KeyType(of), Use: hsm.Sign, Domain: domain, Wrapped: w}
			_, err = token.Sign(t.Context(), key, a, message[:32])
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestImportOfLongPrimes: a private key whose primes are longer than its modulus is
// refused, though a token may make right signatures with it, in seconds each.
func TestImportOfLongPrimes(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	long := new(big.Int).Lsh(big.NewInt(1), 3000)
	long.Add(long, big.NewInt(1))
	type algorithm struct {
		ID   asn1.ObjectIdentifier
		None asn1.RawValue
	}
	pkcs8 := func(p, dp *big.Int) []byte {
		inner, err := asn1.Marshal(struct {
			Version                  int
			N, E, D, P, Q, DP, DQ, I *big.Int
		}{0, k.N, big.NewInt(int64(k.E)), k.D, p, k.Primes[1], dp, k.Precomputed.Dq, k.Precomputed.Qinv})
		if err != nil {
			t.Fatal(err)
		}
		b, err := asn1.Marshal(struct {
			Version   int
			Algorithm algorithm
			Key       []byte
		}{0, algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, asn1.NullRawValue}, inner})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	token, _ := testToken(t, 0)
	transport, public := transportKey(t, token)
	kek := make([]byte, 32)
	sealed, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, kek, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		material []byte
		want     error
	}{
		"as it is":   {pkcs8(k.Primes[0], k.Precomputed.Dp), nil},
		"long prime": {pkcs8(long, long), hsm.ErrMaterial},
	} {
		e := hsm.Envelope{Transport: transport, Key: sealed, Body: hsmtest.WrapKey(kek, c.material)}
		if _, _, err := token.Import(t.Context(), domain, hsm.RSA2048, hsm.Sign, e); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func transportKey(t testing.TB, token *pkcs11.Token) (hsm.Key, *rsa.PublicKey) {
	t.Helper()
	w, public, err := token.GeneratePair(t.Context(), domain, hsm.RSA2048, hsm.Transport)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return hsm.Key{Type: hsm.RSA2048, Use: hsm.Transport, Domain: domain, Wrapped: w}, key.(*rsa.PublicKey)
}
