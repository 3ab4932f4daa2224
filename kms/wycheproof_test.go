package kms_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"math/big"
	"slices"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/keyd-hsm/keyd/kms"
)

// A wycheproofCase is one of Project Wycheproof's; which fields are set depends
// on the file.
type wycheproofCase struct {
	ID                  int `json:"tcId"`
	Comment, Result     string
	Flags               []string
	Msg, Sig, CT, Label unhex
	Public, Private     unhex
	Shared              unhex
	rsaKey              *rsa.PrivateKey
	publicKey           []byte
	valid, mayBeEither  bool
}

type wycheproofGroup struct {
	PublicKeyDER unhex `json:"publicKeyDer"`
	PublicKey    struct{ Modulus, PublicExponent string }
	PrivateKey   struct{ Modulus, PublicExponent, PrivateExponent, Prime1, Prime2 string }
	Tests        []wycheproofCase
}

// wycheproofCases reads a file and calls f with each case; at least least.
func wycheproofCases(t *testing.T, file string, least int, f func(wycheproofCase)) {
	t.Helper()
	text, err := fs.ReadFile(wycheproof.TestVectors, file)
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ TestGroups []wycheproofGroup }
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range v.TestGroups {
		public := publicOf(t, g)
		private := privateOf(g)
		for _, c := range g.Tests {
			c.publicKey, c.rsaKey = public, private
			c.valid, c.mayBeEither = c.Result == "valid", c.Result == "acceptable"
			n++
			f(c)
		}
	}
	if n < least {
		t.Errorf("%s: %d cases, want %d", file, n, least)
	}
}

func number(hex string) *big.Int {
	n, _ := new(big.Int).SetString(hex, 16)
	return n
}

func publicOf(t *testing.T, g wycheproofGroup) []byte {
	t.Helper()
	if g.PublicKey.Modulus == "" {
		return g.PublicKeyDER
	}
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: number(g.PublicKey.Modulus), E: int(number(g.PublicKey.PublicExponent).Int64())})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func privateOf(g wycheproofGroup) *rsa.PrivateKey {
	k := g.PrivateKey
	if k.Modulus == "" {
		return nil
	}
	return &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: number(k.Modulus), E: int(number(k.PublicExponent).Int64())},
		D:         number(k.PrivateExponent), Primes: []*big.Int{number(k.Prime1), number(k.Prime2)},
	}
}

// TestWycheproofVerify: every case says what Verify must answer.
func TestWycheproofVerify(t *testing.T) {
	for _, file := range []struct {
		name, spec, algorithm string
		least                 int
	}{
		{"rsa_signature_2048_sha256_test.json", "RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256", 200},
		{"rsa_signature_2048_sha384_test.json", "RSA_2048", "RSASSA_PKCS1_V1_5_SHA_384", 200},
		{"rsa_signature_2048_sha512_test.json", "RSA_2048", "RSASSA_PKCS1_V1_5_SHA_512", 200},
		{"rsa_signature_3072_sha256_test.json", "RSA_3072", "RSASSA_PKCS1_V1_5_SHA_256", 200},
		{"rsa_signature_4096_sha512_test.json", "RSA_4096", "RSASSA_PKCS1_V1_5_SHA_512", 200},
		{"rsa_pss_2048_sha256_mgf1_32_test.json", "RSA_2048", "RSASSA_PSS_SHA_256", 90},
		{"rsa_pss_2048_sha384_mgf1_48_test.json", "RSA_2048", "RSASSA_PSS_SHA_384", 90},
		{"rsa_pss_3072_sha256_mgf1_32_test.json", "RSA_3072", "RSASSA_PSS_SHA_256", 90},
		{"rsa_pss_4096_sha512_mgf1_64_test.json", "RSA_4096", "RSASSA_PSS_SHA_512", 90},
		{"ecdsa_secp256r1_sha256_test.json", "ECC_NIST_P256", "ECDSA_SHA_256", 400},
		{"ecdsa_secp384r1_sha384_test.json", "ECC_NIST_P384", "ECDSA_SHA_384", 400},
		{"ecdsa_secp521r1_sha512_test.json", "ECC_NIST_P521", "ECDSA_SHA_512", 400},
		{"ecdsa_secp256k1_sha256_test.json", "ECC_SECG_P256K1", "ECDSA_SHA_256", 400},
		{"ed25519_test.json", "ECC_NIST_EDWARDS25519", "ED25519_SHA_512", 140},
	} {
		t.Run(file.name, func(t *testing.T) {
			s := new(kms.Service)
			wycheproofCases(t, file.name, file.least, func(c wycheproofCase) {
				err := s.Verify(kms.WithPublic(file.spec, kms.SignVerify, c.publicKey), file.algorithm, kms.MessageRaw, c.Msg, c.Sig)
				if err != nil && err != kms.ErrInvalidSignature {
					t.Errorf("case %d: %v", c.ID, err)
				}
				if (err == nil) != c.valid && !c.mayBeEither {
					t.Errorf("case %d (%s, %v): %v, want %s", c.ID, c.Comment, c.Flags, err, c.Result)
				}
			})
		})
	}
}

// TestWycheproofOAEP decodes what a software key decrypts without padding, as the
// token does.
func TestWycheproofOAEP(t *testing.T) {
	for file, hash := range map[string]crypto.Hash{
		"rsa_oaep_2048_sha1_mgf1sha1_test.json":     crypto.SHA1,
		"rsa_oaep_2048_sha256_mgf1sha256_test.json": crypto.SHA256,
		"rsa_oaep_3072_sha256_mgf1sha256_test.json": crypto.SHA256,
		"rsa_oaep_4096_sha256_mgf1sha256_test.json": crypto.SHA256,
	} {
		t.Run(file, func(t *testing.T) {
			wycheproofCases(t, file, 25, func(c wycheproofCase) {
				ciphertext, size := new(big.Int).SetBytes(c.CT), c.rsaKey.Size()
				if len(c.CT) != size || ciphertext.Cmp(c.rsaKey.N) >= 0 {
					if c.valid {
						t.Errorf("case %d: of no length", c.ID)
					}
					return // refused before the token sees it
				}
				encoded := ciphertext.Exp(ciphertext, c.rsaKey.D, c.rsaKey.N).FillBytes(make([]byte, size))
				got, ok := kms.DecodeOAEP(hash, encoded)
				want := c.valid && len(c.Label) == 0 // KMS has no labels
				if ok != want || ok && !bytes.Equal(got, c.Msg) {
					t.Errorf("case %d (%s, %v): %x, %t, want %s", c.ID, c.Comment, c.Flags, got, ok, c.Result)
				}
			})
		})
	}
}

// TestWycheproofPeers: a peer's key is taken when it is the one encoding of a point
// on the curve, and then gives the shared secret of the case.
func TestWycheproofPeers(t *testing.T) {
	for file, is := range map[string]struct {
		spec  string
		curve ecdh.Curve
	}{
		"ecdh_secp256r1_test.json": {"ECC_NIST_P256", ecdh.P256()},
		"ecdh_secp384r1_test.json": {"ECC_NIST_P384", ecdh.P384()},
		"ecdh_secp521r1_test.json": {"ECC_NIST_P521", ecdh.P521()},
	} {
		t.Run(file, func(t *testing.T) {
			own := kms.WithPublic(is.spec, kms.KeyAgreement, nil)
			size := map[string]int{"ECC_NIST_P256": 32, "ECC_NIST_P384": 48, "ECC_NIST_P521": 66}[is.spec]
			wycheproofCases(t, file, 400, func(c wycheproofCase) {
				point, err := kms.PeerPoint(own, c.Public)
				if err != nil {
					if c.valid {
						t.Errorf("case %d (%s, %v): %v", c.ID, c.Comment, c.Flags, err)
					}
					return
				}
				if !c.valid && !slices.Contains(c.Flags, "CompressedPoint") && !c.mayBeEither {
					t.Errorf("case %d (%s, %v): taken", c.ID, c.Comment, c.Flags)
				}
				private, err := is.curve.NewPrivateKey(number(hex.EncodeToString(c.Private)).FillBytes(make([]byte, size)))
				if err != nil {
					t.Fatal(err)
				}
				peer, err := is.curve.NewPublicKey(point)
				if err != nil {
					t.Fatalf("case %d: %v", c.ID, err)
				}
				secret, err := private.ECDH(peer)
				if err != nil || !bytes.Equal(secret, c.Shared) {
					t.Errorf("case %d: secret %x (%v), want %x", c.ID, secret, err, c.Shared)
				}
			})
		})
	}
}
