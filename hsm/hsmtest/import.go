package hsmtest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/keyd-hsm/keyd/hsm"
)

// sender makes envelopes for a token.
type sender struct {
	transport hsm.Key
	public    *rsa.PublicKey
}

func newSender(t *testing.T, token hsm.Token) (sender, bool) {
	t.Helper()
	p, ok := newPair(t, token, hsm.RSA2048, hsm.Transport)
	if !ok {
		return sender{}, false
	}
	return sender{p.Key, publicKey(t, p).(*rsa.PublicKey)}, true
}

func (s sender) seal(t *testing.T, b []byte) []byte {
	t.Helper()
	sealed, err := rsa.EncryptOAEP(crypto.SHA1.New(), rand.Reader, s.public, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// envelope puts material under a new AES key.
func (s sender) envelope(t *testing.T, material []byte) hsm.Envelope {
	t.Helper()
	kek := make([]byte, 32)
	rand.Read(kek)
	return hsm.Envelope{Transport: s.transport, Key: s.seal(t, kek), Body: WrapKey(kek, material)}
}

// imports is a key that is imported and used, and what is seen of it.
func imports(t *testing.T, token hsm.Token, of hsm.KeyType, u hsm.Use, e hsm.Envelope) (pair, error) {
	t.Helper()
	wrapped, public, err := token.Import(t.Context(), domain, of, u, e)
	return pair{hsm.Key{Type: of, Use: u, Domain: domain, Wrapped: wrapped}, public}, err
}

var secrets = map[hsm.KeyType]crypto.Hash{
	hsm.HMACSHA224: crypto.SHA224, hsm.HMACSHA256: crypto.SHA256,
	hsm.HMACSHA384: crypto.SHA384, hsm.HMACSHA512: crypto.SHA512,
	hsm.HMACSHA1: crypto.SHA1, hsm.SeedSHA256: crypto.SHA256, hsm.SeedSHA512: crypto.SHA512,
}

// secretSize is the length of a secret: that of the hash, and for seeds that of its
// block.
func secretSize(of hsm.KeyType) int {
	hash := secrets[of]
	switch of {
	case hsm.HMACSHA1, hsm.SeedSHA256, hsm.SeedSHA512:
		return hash.New().BlockSize()
	}
	return hash.Size()
}

// importsSecrets imports secrets in both kinds of envelopes and compares MACs
// with Go's.
func importsSecrets(t *testing.T, token hsm.Token) {
	ready(t, token, 0)
	s, ok := newSender(t, token)
	if !ok {
		return
	}
	for of, hash := range secrets {
		size := secretSize(of)
		material := make([]byte, size)
		rand.Read(material)
		for _, e := range []hsm.Envelope{
			s.envelope(t, material), {Transport: s.transport, Key: s.seal(t, material)},
		} {
			p, err := imports(t, token, of, 0, e)
			if err != nil || p.public != nil {
				t.Fatalf("Import of a secret for %v: public %x, %v", hash, p.public, err)
			}
			h := hmac.New(hash.New, material)
			h.Write([]byte("data"))
			if got, err := token.MAC(t.Context(), p.Key, []byte("data")); err != nil || !bytes.Equal(got, h.Sum(nil)) {
				t.Errorf("MAC with an imported secret for %v: %x, %v", hash, got, err)
			}
		}
		// A token may count in blocks of eight bytes: see Token.Import.
		for _, n := range []int{8, size&^7 - 8, size&^7 + 9, 200} {
			e := s.envelope(t, make([]byte, n))
			_, err := imports(t, token, of, 0, e)
			wants(t, "Import of a secret of another length", err, hsm.ErrMaterial)
			if n+42 > s.public.Size() {
				continue
			}
			_, err = imports(t, token, of, 0, hsm.Envelope{Transport: s.transport, Key: s.seal(t, make([]byte, n))})
			wants(t, "Import of a bare secret of another length", err, hsm.ErrMaterial)
		}
	}
}

// privateKeys are keys that Go made, as PKCS #8 has them, with their public keys.
func privateKeys(t *testing.T) map[hsm.KeyType][2][]byte {
	t.Helper()
	all := make(map[hsm.KeyType][2][]byte)
	add := func(of hsm.KeyType, private any, public any) {
		p8, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		spki, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		all[of] = [2][]byte{p8, spki}
	}
	for of, bits := range map[hsm.KeyType]int{hsm.RSA2048: 2048, hsm.RSA3072: 3072, hsm.RSA4096: 4096} {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		add(of, k, &k.PublicKey)
	}
	for of, c := range map[hsm.KeyType]elliptic.Curve{hsm.P256: elliptic.P256(), hsm.P384: elliptic.P384(), hsm.P521: elliptic.P521()} {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		add(of, k, &k.PublicKey)
	}
	all[hsm.Secp256k1] = koblitz(t)
	return all
}

// koblitz is a secp256k1 key, whose PKCS #8 Go does not write.
func koblitz(t *testing.T) [2][]byte {
	t.Helper()
	k, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	type algorithm struct{ ID, Curve asn1.ObjectIdentifier }
	on := algorithm{asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, asn1.ObjectIdentifier{1, 3, 132, 0, 10}}
	inner, err := asn1.Marshal(struct {
		Version int
		Key     []byte
	}{1, k.Serialize()})
	if err != nil {
		t.Fatal(err)
	}
	p8, err := asn1.Marshal(struct {
		Version   int
		Algorithm algorithm
		Key       []byte
	}{0, on, inner})
	if err != nil {
		t.Fatal(err)
	}
	point := k.PubKey().SerializeUncompressed()
	spki, err := asn1.Marshal(struct {
		Algorithm algorithm
		Key       asn1.BitString
	}{on, asn1.BitString{Bytes: point, BitLength: 8 * len(point)}})
	if err != nil {
		t.Fatal(err)
	}
	return [2][]byte{p8, spki}
}

// importsPairs imports private keys, sees their public keys found, and uses them.
func importsPairs(t *testing.T, token hsm.Token) {
	ready(t, token, 0)
	s, ok := newSender(t, token)
	if !ok {
		return
	}
	keys := privateKeys(t)
	for of, k := range keys {
		uses := []hsm.Use{hsm.Sign, hsm.Decrypt}
		if !isRSA(of) {
			uses[1] = hsm.Derive
		}
		if of == hsm.Secp256k1 {
			uses = uses[:1]
		}
		for _, u := range uses {
			p, err := imports(t, token, of, u, s.envelope(t, k[0]))
			if err != nil {
				t.Errorf("Import of a %s key: %v", types[of], err)
				continue
			}
			if !bytes.Equal(p.public, k[1]) {
				t.Errorf("Import of a %s key: public key %x, want %x", types[of], p.public, k[1])
			}
			serves(t, token, p)
		}
		for other := range keys {
			if other != of {
				_, err := imports(t, token, other, hsm.Sign, s.envelope(t, k[0]))
				wants(t, types[of]+" key imported as "+types[other], err, hsm.ErrMaterial)
			}
		}
	}
	works(t, token)
}

// serves uses a key once, as its use is.
func serves(t *testing.T, token hsm.Token, p pair) {
	t.Helper()
	switch p.Use {
	case hsm.Sign:
		a := signings(p.Type)[0]
		input := sum(a, []byte("message"))
		signature, err := token.Sign(t.Context(), p.Key, a, input)
		if err == nil {
			err = verifies(publicKey(t, p), a, input, signature)
		}
		if err != nil {
			t.Errorf("%s: %v", types[p.Type], err)
		}
	case hsm.Decrypt, hsm.Transport:
		decryptsWith(t, token, p)
	case hsm.Derive:
		derivesWith(t, token, p, 3)
	}
}

// hostileMaterial comes in good envelopes, and is no key of the kind that is wanted.
func hostileMaterial(t *testing.T, token hsm.Token) {
	ready(t, token, 0)
	s, ok := newSender(t, token)
	if !ok {
		return
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	with := func(d []byte) []byte { return bytes.Replace(p8, scalar, d, 1) }
	for _, c := range []struct {
		what     string
		of       hsm.KeyType
		u        hsm.Use
		material []byte
	}{
		{"junk", hsm.P256, hsm.Sign, bytes.Repeat([]byte("junk "), 20)},
		{"half a private key", hsm.P256, hsm.Sign, p8[:len(p8)/2]},
		{"a private key of zero", hsm.P256, hsm.Sign, with(make([]byte, 32))},
		{"a private key of the group's order", hsm.P256, hsm.Derive, with(elliptic.P256().Params().N.Bytes())},
		{"a secret as a private key", hsm.RSA2048, hsm.Sign, make([]byte, 32)},
		{"a private key as a secret", hsm.HMACSHA256, 0, p8},
	} {
		_, err := imports(t, token, c.of, c.u, s.envelope(t, c.material))
		wants(t, c.what, err, hsm.ErrMaterial)
	}
	works(t, token)
}

// hostileEnvelopes do not open.
func hostileEnvelopes(t *testing.T, token hsm.Token) {
	ready(t, token, 0)
	s, ok := newSender(t, token)
	if !ok {
		return
	}
	good := s.envelope(t, make([]byte, 32))
	refused := func(what string, key, body []byte) {
		t.Helper()
		_, err := imports(t, token, hsm.HMACSHA256, 0, hsm.Envelope{Transport: s.transport, Key: key, Body: body})
		wants(t, what, err, hsm.ErrWrapped)
	}
	refused("an AES-128 key", s.seal(t, make([]byte, 16)), WrapKey(make([]byte, 16), make([]byte, 32)))
	refused("another AES key", s.envelope(t, make([]byte, 32)).Key, good.Body)
	for i := range good.Body {
		altered := slices.Clone(good.Body)
		altered[i] ^= 1 << (i % 8)
		refused("one bit of the body altered", good.Key, altered)
		if i > 0 {
			refused("body truncated", good.Key, good.Body[:i])
		}
	}
	n := s.public.N.Bytes()
	for _, key := range [][]byte{
		nil, {1}, good.Key[1:], append([]byte{0}, good.Key...), n, make([]byte, len(n)),
		bytes.Repeat([]byte{0xff}, len(n)), make([]byte, 1<<16), s.seal(t, nil), s.seal(t, make([]byte, 31)),
	} {
		refused("a key that is none", key, good.Body)
	}
	stranger := good
	stranger.Transport.Use = hsm.Decrypt
	if _, err := imports(t, token, hsm.HMACSHA256, 0, stranger); err == nil {
		t.Error("a key that is not for envelopes opened one")
	}
	if _, err := imports(t, token, hsm.P256, hsm.Sign, hsm.Envelope{Transport: s.transport, Key: good.Key}); err == nil {
		t.Error("a private key without a body was taken")
	}
	works(t, token)
}

// works sees that a token serves on.
func works(t *testing.T, token hsm.Token) {
	t.Helper()
	if err := token.Check(t.Context(), domain); err != nil {
		t.Errorf("Check: %v", err)
	}
}
