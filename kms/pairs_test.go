package kms_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/keyd-hsm/keyd/kms"
)

// encodeOAEP is what a token gives for a message that Go encrypted: the encoding
// before the public operation undone.
func encodeOAEP(t testing.TB, key *rsa.PrivateKey, hash crypto.Hash, message []byte) []byte {
	t.Helper()
	blob, err := rsa.EncryptOAEP(hash.New(), rand.Reader, &key.PublicKey, message, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := new(big.Int).SetBytes(blob)
	return c.Exp(c, key.D, key.N).FillBytes(make([]byte, key.Size()))
}

func rsaKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestOAEPEveryByteCounts: an encoding with any bit changed does not decode.
func TestOAEPEveryByteCounts(t *testing.T) {
	key := rsaKey(t)
	for _, message := range [][]byte{{}, {0}, {1}, []byte("message"), bytes.Repeat([]byte{0}, 190), bytes.Repeat([]byte{1}, 190)} {
		encoded := encodeOAEP(t, key, crypto.SHA256, message)
		if got, ok := kms.DecodeOAEP(crypto.SHA256, encoded); !ok || !bytes.Equal(got, message) {
			t.Fatalf("%x, %t, want %x", got, ok, message)
		}
		if _, ok := kms.DecodeOAEP(crypto.SHA1, encoded); ok {
			t.Error("decoded with another hash")
		}
		for i := range encoded {
			changed := bytes.Clone(encoded)
			changed[i] ^= 0x80
			if got, ok := kms.DecodeOAEP(crypto.SHA256, changed); ok {
				t.Errorf("byte %d changed: decoded to %x", i, got)
			}
		}
	}
}

// FuzzOAEP: whatever the token answers is decoded to what Go makes of it.
func FuzzOAEP(f *testing.F) {
	key := rsaKey(f)
	for _, message := range [][]byte{{}, []byte("m"), bytes.Repeat([]byte{1}, 190)} {
		f.Add(encodeOAEP(f, key, crypto.SHA256, message))
	}
	f.Add([]byte{})
	f.Add(make([]byte, 256))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		got, ok := kms.DecodeOAEP(crypto.SHA256, encoded)
		m := new(big.Int).SetBytes(encoded)
		if len(encoded) != key.Size() || m.Cmp(key.N) >= 0 {
			return // not of a token; it is enough that nothing broke
		}
		blob := m.Exp(m, big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
		want, err := rsa.DecryptOAEP(crypto.SHA256.New(), nil, key, blob, nil)
		if ok != (err == nil) || !bytes.Equal(got, want) {
			t.Errorf("%x, %t; Go says %x, %v", got, ok, want, err)
		}
	})
}

var pairSpecs = []string{
	"RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519",
}

// publicKeys are a few keys, one of each kind.
func publicKeys(t testing.TB) map[string][]byte {
	t.Helper()
	private, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string][]byte{"ECC_SECG_P256K1": secp256k1SPKI(private)}
	for spec, curve := range map[string]ecdh.Curve{"ECC_NIST_P256": ecdh.P256(), "ECC_NIST_P384": ecdh.P384(), "ECC_NIST_P521": ecdh.P521()} {
		private, err := curve.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[spec] = marshalPublic(t, private.Public())
	}
	keys["RSA_2048"] = marshalPublic(t, rsaKey(t).Public())
	return keys
}

func marshalPublic(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// secp256k1SPKI is the fixed beginning of RFC 5480 and the point.
func secp256k1SPKI(private *secp256k1.PrivateKey) []byte {
	head := []byte{
		0x30, 0x56, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
		0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a, 0x03, 0x42, 0x00,
	}
	return append(head, private.PubKey().SerializeUncompressed()...)
}

// TestParsePublic: a public key is one of its own spec, and with any byte added or
// taken away of none.
func TestParsePublic(t *testing.T) {
	for spec, der := range publicKeys(t) {
		for _, other := range pairSpecs {
			if _, err := kms.ParsePublic(other, der); (err == nil) != (other == spec) {
				t.Errorf("key of %s as %s: %v", spec, other, err)
			}
		}
		if _, err := kms.ParsePublic(spec, append(bytes.Clone(der), 0)); err == nil {
			t.Errorf("%s: with a byte more", spec)
		}
		for i := range der {
			if _, err := kms.ParsePublic(spec, der[:i]); err == nil {
				t.Errorf("%s: cut to %d bytes", spec, i)
			}
		}
	}
}

// FuzzSPKI: what is taken is the one encoding of a key.
func FuzzSPKI(f *testing.F) {
	for _, der := range publicKeys(f) {
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		taken := 0
		for _, spec := range pairSpecs {
			public, err := kms.ParsePublic(spec, der)
			if err != nil {
				continue
			}
			taken++
			if _, ok := public.(*secp256k1.PublicKey); ok {
				continue
			}
			if !bytes.Equal(marshalPublic(t, public), der) {
				t.Errorf("%s: taken in another encoding", spec)
			}
		}
		if taken > 1 {
			t.Errorf("a key of %d specs", taken)
		}
	})
}
