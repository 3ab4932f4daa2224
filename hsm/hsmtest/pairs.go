package hsmtest

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // OAEP's
	_ "crypto/sha256"
	_ "crypto/sha512" // the hashes of signatures
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k1ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/keyd-hsm/keyd/hsm"
)

// pair is a key pair of the token.
type pair struct {
	hsm.Key
	public []byte
}

// types names all types of pairs.
var types = map[hsm.KeyType]string{
	hsm.RSA2048: "RSA-2048", hsm.RSA3072: "RSA-3072", hsm.RSA4096: "RSA-4096",
	hsm.P256: "P-256", hsm.P384: "P-384", hsm.P521: "P-521",
	hsm.Secp256k1: "secp256k1", hsm.Ed25519: "Ed25519",
}

// mechanisms are those that a token needs for a type and use, as
// hsm/pkcs11 names them.
func mechanisms(of hsm.KeyType, u hsm.Use) []string {
	switch {
	case of == hsm.Ed25519:
		return []string{"CKM_EC_EDWARDS_KEY_PAIR_GEN", "CKM_EDDSA"}
	case isRSA(of) && u == hsm.Sign:
		return []string{"CKM_RSA_PKCS_KEY_PAIR_GEN", "CKM_RSA_PKCS", "CKM_RSA_PKCS_PSS"}
	case isRSA(of) && u == hsm.Decrypt:
		return []string{"CKM_RSA_PKCS_KEY_PAIR_GEN", "CKM_RSA_X_509"}
	case isRSA(of):
		return []string{"CKM_RSA_PKCS_KEY_PAIR_GEN", "CKM_RSA_X_509", "CKM_RSA_PKCS_OAEP"}
	case u == hsm.Derive:
		return []string{"CKM_EC_KEY_PAIR_GEN", "CKM_ECDH1_DERIVE"}
	}
	return []string{"CKM_EC_KEY_PAIR_GEN", "CKM_ECDSA"}
}

func isRSA(of hsm.KeyType) bool { return of == hsm.RSA2048 || of == hsm.RSA3072 || of == hsm.RSA4096 }

// newPair makes a pair, wrapped if the token wraps such pairs and else
// resident. It is false when the token must refuse, and does.
func newPair(t *testing.T, token hsm.Token, of hsm.KeyType, u hsm.Use) (pair, bool) {
	t.Helper()
	k := hsm.Key{Type: of, Use: u, Domain: domain}
	wrapped, public, err := token.GeneratePair(t.Context(), domain, of, u)
	if err == nil {
		k.Wrapped = wrapped
		return pair{k, public}, true
	}
	wants(t, "GeneratePair", err, hsm.ErrUnsupported)
	id := types[of]
	public, err = token.GenerateResidentPair(t.Context(), id, of, u)
	if err == nil {
		return pair{hsm.Key{Type: of, Use: u, Resident: id}, public}, true
	}
	wants(t, "GenerateResidentPair", err, hsm.ErrUnsupported)
	for _, m := range mechanisms(of, u) {
		if !token.Capabilities().Has(m) {
			return pair{}, false
		}
	}
	t.Errorf("%s with use %d is refused, but the token has all mechanisms: %v", types[of], u, err)
	return pair{}, false
}

// publicKey reads a SubjectPublicKeyInfo with Go, or the secp256k1 package.
func publicKey(t *testing.T, p pair) any {
	t.Helper()
	if p.Type != hsm.Secp256k1 {
		key, err := x509.ParsePKIXPublicKey(p.public)
		if err != nil {
			t.Fatalf("public key: %v", err)
		}
		return key
	}
	var spki struct {
		Algorithm struct{ Algorithm, Curve asn1.ObjectIdentifier }
		Key       asn1.BitString
	}
	if rest, err := asn1.Unmarshal(p.public, &spki); err != nil || len(rest) > 0 {
		t.Fatalf("public key: %v, %d bytes left", err, len(rest))
	}
	if !spki.Algorithm.Algorithm.Equal(asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}) ||
		!spki.Algorithm.Curve.Equal(asn1.ObjectIdentifier{1, 3, 132, 0, 10}) {
		t.Fatalf("public key: algorithm %v", spki.Algorithm)
	}
	key, err := secp256k1.ParsePubKey(spki.Key.RightAlign())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var hashes = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}

// signings are all that a key of a type signs with.
func signings(of hsm.KeyType) (all []hsm.Signing) {
	if of == hsm.Ed25519 {
		return []hsm.Signing{{Scheme: hsm.EdDSA}}
	}
	for _, h := range hashes {
		if !isRSA(of) {
			all = append(all, hsm.Signing{Scheme: hsm.ECDSA, Hash: h})
			continue
		}
		all = append(all, hsm.Signing{Scheme: hsm.PKCS1v15, Hash: h}, hsm.Signing{Scheme: hsm.PSS, Hash: h})
	}
	return all
}

// sum is what is signed for a message.
func sum(a hsm.Signing, message []byte) []byte {
	if a.Scheme == hsm.EdDSA {
		return message
	}
	h := a.Hash.New()
	h.Write(message)
	return h.Sum(nil)
}

func verifies(key any, a hsm.Signing, input, signature []byte) error {
	bad := errors.New("signature does not verify")
	switch key := key.(type) {
	case *rsa.PublicKey:
		if a.Scheme == hsm.PSS {
			return rsa.VerifyPSS(key, a.Hash, input, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.VerifyPKCS1v15(key, a.Hash, input, signature)
	case *ecdsa.PublicKey:
		if !ecdsa.VerifyASN1(key, input, signature) {
			return bad
		}
	case ed25519.PublicKey:
		if !ed25519.Verify(key, input, signature) {
			return bad
		}
	case *secp256k1.PublicKey:
		s, err := k1ecdsa.ParseDERSignature(signature)
		if err != nil {
			return err
		}
		// The package truncates nothing: the leftmost 32 bytes count.
		if !s.Verify(input[:min(len(input), 32)], key) {
			return bad
		}
	}
	return nil
}

// signs lets a pair of every type sign with all its schemes, and then again
// with a working copy made anew.
func signs(t *testing.T, token hsm.Token) {
	ready(t, token, 0)
	for of, name := range types {
		t.Run(name, func(t *testing.T) {
			p, ok := newPair(t, token, of, hsm.Sign)
			if !ok {
				return
			}
			key := publicKey(t, p)
			for _, a := range signings(of) {
				for _, message := range [][]byte{nil, []byte("message"), make([]byte, 4096)} {
					input := sum(a, message)
					signature, err := token.Sign(t.Context(), p.Key, a, input)
					if err != nil {
						t.Fatalf("Sign with %+v: %v", a, err)
					}
					if err := verifies(key, a, input, signature); err != nil {
						t.Errorf("Sign with %+v: %v", a, err)
					}
					if len(input) > 0 {
						input[0] ^= 1
					} else {
						input = []byte{1}
					}
					if verifies(key, a, input, signature) == nil {
						t.Errorf("Sign with %+v: the signature is of anything", a)
					}
				}
				token.Forget(p.Key)
			}
		})
	}
}

// decrypts lets RSA keys undo what Go encrypts.
func decrypts(t *testing.T, token hsm.Token) {
	ready(t, token, 0)
	for _, of := range []hsm.KeyType{hsm.RSA2048, hsm.RSA3072, hsm.RSA4096} {
		t.Run(types[of], func(t *testing.T) {
			p, ok := newPair(t, token, of, hsm.Decrypt)
			if !ok {
				return
			}
			decryptsWith(t, token, p)
		})
	}
}

func decryptsWith(t *testing.T, token hsm.Token, p pair) {
	t.Helper()
	key := publicKey(t, p).(*rsa.PublicKey)
	for _, m := range []*big.Int{big.NewInt(0), big.NewInt(1), new(big.Int).Sub(key.N, big.NewInt(1)), big.NewInt(1 << 40)} {
		c := new(big.Int).Exp(m, big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
		got, err := token.Decrypt(t.Context(), p.Key, c)
		if err != nil || !slices.Equal(got, m.FillBytes(make([]byte, key.Size()))) {
			t.Errorf("Decrypt gives %x, %v; want %x", got, err, m)
		}
	}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		c, err := rsa.EncryptOAEP(h.New(), rand.Reader, key, []byte("message"), nil)
		if err != nil {
			t.Fatal(err)
		}
		block, err := token.Decrypt(t.Context(), p.Key, c)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := openOAEP(h, block); err != nil || string(m) != "message" {
			t.Errorf("OAEP with %v: %q, %v", h, m, err)
		}
	}
}

var curves = map[hsm.KeyType]ecdh.Curve{hsm.P256: ecdh.P256(), hsm.P384: ecdh.P384(), hsm.P521: ecdh.P521()}

// derives agrees with Go's keys on both sides.
func derives(t *testing.T, token hsm.Token) {
	ready(t, token, 0)
	for of := range curves {
		t.Run(types[of], func(t *testing.T) {
			p, ok := newPair(t, token, of, hsm.Derive)
			if !ok {
				return
			}
			// One secret in 256 begins with a zero, on P-521 one in two.
			derivesWith(t, token, p, map[hsm.KeyType]int{hsm.P256: 600, hsm.P384: 300, hsm.P521: 20}[of])
		})
	}
}

func derivesWith(t *testing.T, token hsm.Token, p pair, times int) {
	t.Helper()
	curve := curves[p.Type]
	public, err := publicKey(t, p).(*ecdsa.PublicKey).ECDH()
	if err != nil {
		t.Fatal(err)
	}
	for range times {
		mine, err := curve.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		want, err := mine.ECDH(public)
		if err != nil {
			t.Fatal(err)
		}
		got, err := token.Derive(t.Context(), p.Key, mine.PublicKey().Bytes())
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("Derive gives %x, %v; want %x", got, err, want)
		}
	}
}
