package piv_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	vendor "github.com/go-piv/piv-go/v2/piv"

	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// verify checks a signature as the specification says it is made.
func verify(public crypto.PublicKey, message, signature []byte) bool {
	short, long := sha256.Sum256(message), sha512.Sum384(message)
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P384() {
			return ecdsa.VerifyASN1(k, long[:], signature)
		}
		return ecdsa.VerifyASN1(k, short[:], signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, short[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(k, message, signature)
	}
	return false
}

func pool(certificates ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certificates {
		p.AddCert(c)
	}
	return p
}

// TestAlgorithms makes, attests and uses a key of each kind.
func TestAlgorithms(t *testing.T) {
	card := plug(t, pivtest.Firmware(5, 7, 2), pivtest.Serial(77))
	c := open(t)
	slot := piv.FirstRetired
	for _, a := range []piv.Algorithm{piv.P256, piv.P384, piv.RSA2048, piv.Ed25519} {
		public, err := c.Generate(t.Context(), card.ManagementKey(), slot, a, piv.PINOnce, piv.TouchCached)
		if err != nil {
			t.Fatal(a, err)
		}
		signature, err := c.SignMessage(t.Context(), slot, rightPIN, public, []byte("message"))
		if err != nil || !verify(public, []byte("message"), signature) || verify(public, []byte("another"), signature) {
			t.Errorf("%s: signature %x, %v", a, signature, err)
		}
		of, by, err := c.Attest(t.Context(), slot)
		if err != nil {
			t.Fatal(a, err)
		}
		got, err := piv.VerifyAttestation(of.Raw, by.Raw, pool(card.CA().Root()))
		if err != nil || !public.(interface{ Equal(crypto.PublicKey) bool }).Equal(got.Public) {
			t.Errorf("%s: attested %+v, %v", a, got, err)
		}
		got.Public = nil
		if want := (piv.Attestation{Slot: slot, Serial: 77, Firmware: "5.7.2", PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchCached}); got != want {
			t.Errorf("%s: attested %+v, want %+v", a, got, want)
		}
		if b, err := piv.AlgorithmOf(public); a != b || err != nil {
			t.Errorf("%s: is %s, %v", a, b, err)
		}
		slot++
	}
	_, err := c.Generate(t.Context(), card.ManagementKey(), slot, "P-521", piv.PINOnce, piv.TouchCached)
	wants(t, err, piv.ErrAlgorithm)
	large, err := rsa.GenerateKey(rand.Reader, 3072)
	wants(t, err, nil)
	_, err = piv.AlgorithmOf(large.Public())
	wants(t, err, piv.ErrAlgorithm)
	_, err = c.SignMessage(t.Context(), slot, rightPIN, large.Public(), nil)
	wants(t, err, piv.ErrAlgorithm)
}

// TestYubico has what real YubiKeys attested, and no authority of the operator.
func TestYubico(t *testing.T) {
	var chains [][][]byte
	for file, want := range map[string]piv.Attestation{
		"yubikey-5.4.3": {Slot: piv.Authentication, Serial: 15732500, Firmware: "5.4.3", PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchNever},
		"yubikey-4.3.7": {Slot: piv.Authentication, Firmware: "4.3.7", PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchNever},
	} {
		chain := readChain(t, "testdata/attestation/"+file+".pem")
		chains = append(chains, chain)
		got, err := piv.VerifyAttestation(chain[0], chain[1], nil)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if _, ok := got.Public.(*ecdsa.PublicKey); !ok {
			t.Errorf("%s: public key %T", file, got.Public)
		}
		if got.Public = nil; got != want {
			t.Errorf("%s: %+v, want %+v", file, got, want)
		}
		// Roots of the operator's join Yubico's.
		if _, err := piv.VerifyAttestation(chain[0], chain[1], pool(pivtest.NewCA(t).Root())); err != nil {
			t.Errorf("%s: with a root more: %v", file, err)
		}
		_, err = piv.VerifyAttestation(chain[1], chain[0], nil)
		wants(t, err, piv.ErrChain)
		_, err = piv.VerifyAttestation(chain[1], chain[1], nil) // a card's certificate, which Yubico signed
		wants(t, err, piv.ErrChain)
	}
	_, err := piv.VerifyAttestation(chains[0][0], chains[1][1], nil)
	wants(t, err, piv.ErrChain)
}

// readChain reads the certificates of a slot and of a card, and the root if it is
// not Yubico's.
func readChain(t testing.TB, path string) (chain [][]byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		chain = append(chain, block.Bytes)
	}
	if len(chain) < 2 {
		t.Fatalf("%s: %d certificates", path, len(chain))
	}
	return chain
}

func TestAttestationRefused(t *testing.T) {
	card := plug(t)
	c := open(t)
	generate(t, c, piv.Authentication, piv.PINOnce, piv.TouchAlways)
	of, by, err := c.Attest(t.Context(), piv.Authentication)
	if err != nil {
		t.Fatal(err)
	}
	trusted := pool(card.CA().Root())
	for name, try := range map[string]struct {
		of, by []byte
		roots  *x509.CertPool
		want   error
	}{
		"nobody trusts the root":        {of.Raw, by.Raw, nil, piv.ErrChain},
		"another root":                  {of.Raw, by.Raw, pool(pivtest.NewCA(t).Root()), piv.ErrChain},
		"no certificate":                {nil, by.Raw, trusted, piv.ErrCertificate},
		"no intermediate":               {of.Raw, nil, trusted, piv.ErrCertificate},
		"truncated":                     {of.Raw[:len(of.Raw)-1], by.Raw, trusted, piv.ErrCertificate},
		"more after it":                 {append(bytes.Clone(of.Raw), 0), by.Raw, trusted, piv.ErrCertificate},
		"oversized":                     {make([]byte, piv.MaxCertificate+1), by.Raw, trusted, piv.ErrCertificate},
		"oversized intermediate":        {of.Raw, append(bytes.Clone(by.Raw), make([]byte, piv.MaxCertificate)...), trusted, piv.ErrCertificate},
		"changed":                       {flip(of.Raw), by.Raw, trusted, piv.ErrChain},
		"the other way round":           {by.Raw, of.Raw, trusted, piv.ErrChain},
		"the card's own certificate":    {by.Raw, by.Raw, trusted, piv.ErrChain},
		"certified by the root alone":   {by.Raw, card.CA().Root().Raw, trusted, piv.ErrNotAttested},
		"the root as the card, pinned":  {of.Raw, card.CA().Root().Raw, pool(by), piv.ErrChain},
		"the card's certificate pinned": {of.Raw, by.Raw, pool(by), nil},
	} {
		if _, err := piv.VerifyAttestation(try.of, try.by, try.roots); err == nil && try.want != nil || err != nil && try.want == nil {
			t.Errorf("%s: %v", name, err)
		} else {
			wants(t, err, try.want)
		}
	}
}

// flip changes a bit of a certificate's signature.
func flip(der []byte) []byte {
	out := bytes.Clone(der)
	out[len(out)-1] ^= 1
	return out
}

// TestForged has a key of a card sign a certificate for another, where the card's
// own certificate is trusted and sets no length of the path.
func TestForged(t *testing.T) {
	card, slot := newKey(t), newKey(t)
	cardCertificate := certify(t, card, nil, nil)
	attested := certify(t, slot, cardCertificate, card)
	forged := certify(t, newKey(t), attested, slot)

	if _, err := piv.VerifyAttestation(attested.Raw, cardCertificate.Raw, pool(cardCertificate)); err != nil {
		t.Errorf("the attestation itself: %v", err)
	}
	alone := vendor.Verifier{Roots: pool(cardCertificate)}
	if _, err := alone.Verify(reparse(t, attested), forged); err != nil {
		t.Fatalf("piv-go alone refuses it: %v; this test shows nothing then", err)
	}
	_, err := piv.VerifyAttestation(forged.Raw, attested.Raw, pool(cardCertificate))
	wants(t, err, piv.ErrChain)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// certify makes a certificate: of a card, signed by itself, if it has no parent.
func certify(t *testing.T, of *ecdsa.PrivateKey, parent *x509.Certificate, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	number, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: "Yubico PIV Attestation"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
	}
	if parent != nil {
		id := func(last int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, last} }
		template.Subject.CommonName = "YubiKey PIV Attestation 9a"
		template.ExtraExtensions = []pkix.Extension{
			{Id: id(3), Value: []byte{4, 3, 5}}, {Id: id(7), Value: []byte{2, 1, 7}}, {Id: id(8), Value: []byte{2, 2}},
		}
	}
	if parent == nil {
		parent, by = template, of
		template.BasicConstraintsValid, template.IsCA = true, true
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, of.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// reparse copies a certificate, which piv-go changes.
func reparse(t *testing.T, c *x509.Certificate) *x509.Certificate {
	t.Helper()
	out, err := x509.ParseCertificate(c.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// FuzzAttestation: what was not attested is not believed, and nothing panics. The
// seeds are attestations of YubiKeys and of the virtual card.
func FuzzAttestation(f *testing.F) {
	files, err := filepath.Glob("testdata/attestation/*.pem")
	if err != nil || len(files) < 6 {
		f.Fatalf("seeds: %q, %v", files, err)
	}
	roots := x509.NewCertPool()
	var said [][]byte // the signed part of all that was attested
	for _, file := range files {
		chain := readChain(f, file)
		if len(chain) == 3 {
			root, err := x509.ParseCertificate(chain[2])
			if err != nil {
				f.Fatal(err)
			}
			roots.AddCert(root)
		}
		of, err := x509.ParseCertificate(chain[0])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(chain[0], chain[1])
		said = append(said, of.RawTBSCertificate)
	}
	for i, file := range files {
		chain := readChain(f, file)
		if _, err := piv.VerifyAttestation(chain[0], chain[1], roots); err != nil {
			f.Fatalf("seed %d: %v", i, err)
		}
	}
	f.Fuzz(func(t *testing.T, of, by []byte) {
		a, err := piv.VerifyAttestation(of, by, roots)
		if err != nil {
			if a.Public != nil {
				t.Errorf("%v, and yet %+v", err, a)
			}
			return
		}
		c, err := x509.ParseCertificate(of)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range said {
			if bytes.Equal(s, c.RawTBSCertificate) {
				return
			}
		}
		t.Errorf("nobody attested %x", of)
	})
}
