package pivtest_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// TestAttest checks the whole certificate of a key: its chain, its extensions,
// and that it is for this key.
func TestAttest(t *testing.T) {
	ca := pivtest.NewCA(t)
	w := newWire(t, pivtest.AttestedBy(ca), pivtest.Serial(4711), pivtest.FormFactor(3))
	w.want(0x6a80, insAttest, 0x9c, 0, "")
	w.manage(0x03)
	public := w.ok(insGenerate, 0, 0x9c, "ac09"+"800111"+"aa0102"+"ab0103")

	statement, err := x509.ParseCertificate(w.ok(insAttest, 0x9c, 0, ""))
	if err != nil {
		t.Fatal(err)
	}
	object := w.ok(insGet, 0x3f, 0xff, "5c035fff01")
	var inner asn1.RawValue
	if _, err := asn1.Unmarshal(object[bytes.IndexByte(object, 0x70):], &inner); err != nil {
		t.Fatal(err)
	}
	device, err := x509.ParseCertificate(inner.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(ca.Root())
	others.AddCert(device)
	if _, err := statement.Verify(x509.VerifyOptions{Roots: roots, Intermediates: others}); err != nil {
		t.Error(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(pivtest.NewCA(t).Root())
	if _, err := statement.Verify(x509.VerifyOptions{Roots: roots, Intermediates: others}); err == nil {
		t.Error("another authority's root verifies the chain")
	}
	point, err := statement.PublicKey.(*ecdsa.PublicKey).Bytes()
	if err != nil || !bytes.HasSuffix(public, point) {
		t.Errorf("certificate for %x, %v, of key %x", point, err, public)
	}
	got := map[string]string{"subject": statement.Subject.String()}
	for _, e := range statement.Extensions {
		if id := e.Id.String(); strings.HasPrefix(id, "1.3.6.1.4.1.41482.") {
			got[id] = hex.EncodeToString(e.Value)
		}
	}
	if diff := cmp.Diff(map[string]string{
		"subject":               "CN=YubiKey PIV Attestation 9c",
		"1.3.6.1.4.1.41482.3.3": "050403",
		"1.3.6.1.4.1.41482.3.7": "02021267",
		"1.3.6.1.4.1.41482.3.8": "0203",
		"1.3.6.1.4.1.41482.3.9": "03",
	}, got); diff != "" {
		t.Errorf("certificate (-want +got):\n%s", diff)
	}
	w.want(0x6a86, insAttest, 0xf9, 0, "")
}

// TestImport imports a key of each algorithm and compares what the card says of
// it, then pieces that are no key.
func TestImport(t *testing.T) {
	w := newWire(t, pivtest.Firmware(5, 7, 2))
	w.want(0x6982, insImport, 0x11, 0x9a, tlv("06", strings.Repeat("01", 32)))
	w.manage(0x0a)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	fields := func(values ...[]byte) (s string) {
		for i, v := range values {
			s += tlv("0"+string('1'+byte(i)), hex.EncodeToString(v))
		}
		return s
	}
	p := rsaKey.Precomputed
	half := func(b []byte) []byte { return append(make([]byte, 128-len(b)), b...) }
	good := fields(half(rsaKey.Primes[0].Bytes()), half(rsaKey.Primes[1].Bytes()), half(p.Dp.Bytes()), half(p.Dq.Bytes()), half(p.Qinv.Bytes()))
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	scalar, point := must(ec.Bytes()), must(ec.PublicKey.Bytes())
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := must(ecdh.X25519().GenerateKey(rand.Reader))
	for _, k := range []struct {
		algorithm      byte
		private        string
		public, policy string
	}{
		{0x07, good + "aa0103", tlv("81", hex.EncodeToString(rsaKey.N.Bytes())) + "8203010001", "0301"},
		{0x14, tlv("06", hex.EncodeToString(scalar)) + "ab0102", tlv("86", hex.EncodeToString(point)), "0202"},
		{0xe0, tlv("07", hex.EncodeToString(ed.Seed())), tlv("86", hex.EncodeToString(edPublic)), "0201"},
		{0xe1, tlv("08", hex.EncodeToString(x.Bytes())), tlv("86", hex.EncodeToString(x.PublicKey().Bytes())), "0201"},
	} {
		w.ok(insImport, k.algorithm, 0x9a, k.private)
		want := "0101" + hex.EncodeToString([]byte{k.algorithm}) + "0202" + k.policy + "030102" + tlv("04", k.public)
		if got := hex.EncodeToString(w.ok(insMetadata, 0, 0x9a, "")); got != want {
			t.Errorf("algorithm %x: metadata %s, want %s", k.algorithm, got, want)
		}
		w.want(0x6a80, insAttest, 0x9a, 0, "")
	}
	for name, bad := range map[string]string{
		"primes swapped": fields(half(rsaKey.Primes[1].Bytes()), half(rsaKey.Primes[0].Bytes()), half(p.Dp.Bytes()), half(p.Dq.Bytes()), half(p.Qinv.Bytes())),
		"zero":           fields(make([]byte, 128), make([]byte, 128), make([]byte, 128), make([]byte, 128), make([]byte, 128)),
		"one missing":    fields(half(rsaKey.Primes[0].Bytes()), half(rsaKey.Primes[1].Bytes())),
		"one too much":   good + "060101",
		"policy unknown": good + "aa0104",
		"nothing":        "",
	} {
		if _, status := w.send(insImport, 0x07, 0x9a, bad); status != 0x6a80 {
			t.Errorf("%s: status %04x", name, status)
		}
	}
	w.want(0x6a80, insImport, 0x11, 0x9a, tlv("06", strings.Repeat("00", 32)))
	w.want(0x6a80, insImport, 0x11, 0x9a, tlv("06", strings.Repeat("ff", 32)))
	w.want(0x6a86, insImport, 0x99, 0x9a, tlv("06", strings.Repeat("01", 32)))
	w.want(0x6a86, insImport, 0x11, 0x9b, tlv("06", strings.Repeat("01", 32)))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestMove(t *testing.T) {
	w := newWire(t, pivtest.Firmware(5, 7, 0))
	w.want(0x6982, insMove, 0x82, 0x9a, "")
	w.manage(0x0a)
	w.key(0x9a, 1, 1)
	w.key(0x83, 1, 1)
	w.want(0x6a88, insMove, 0x82, 0x9d, "")
	w.want(0x6985, insMove, 0x83, 0x9a, "")
	w.want(0x6a86, insMove, 0x96, 0x9a, "")
	w.ok(insMove, 0x82, 0x9a, "")
	if w.sign(0x82) != 0x9000 || w.sign(0x9a) != 0x6a88 {
		t.Error("the key did not move")
	}
	w.ok(insMove, 0xff, 0x82, "")
	if w.sign(0x82) != 0x6a88 {
		t.Error("the key was not deleted")
	}
}

// TestFirmware: what a real key learned later, the card does not know.
func TestFirmware(t *testing.T) {
	type try struct {
		ins, p1, p2 byte
		data        string
	}
	generate := func(algorithm string) try { return try{insGenerate, 0, 0x9a, "ac038001" + algorithm} }
	for _, c := range []struct {
		major, minor, patch byte
		try
		status uint16
	}{
		{4, 2, 9, try{insAttest, 0x9a, 0, ""}, 0x6d00},
		{4, 3, 0, try{insAttest, 0x9a, 0, ""}, 0x6a80},
		{4, 9, 9, try{insSerial, 0, 0, ""}, 0x6d00},
		{5, 0, 0, try{insSerial, 0, 0, ""}, 0x9000},
		{5, 2, 9, try{insMetadata, 0, 0x9b, ""}, 0x6d00},
		{5, 3, 0, try{insMetadata, 0, 0x9b, ""}, 0x9000},
		{5, 6, 9, try{insMove, 0xff, 0x9a, ""}, 0x6d00},
		{5, 7, 0, try{insMove, 0xff, 0x9a, ""}, 0x6a88},
		{4, 2, 9, generate("14"), 0x6a80},
		{4, 3, 0, generate("14"), 0x9000},
		{5, 6, 9, generate("e0"), 0x6a80},
		{5, 7, 0, generate("e0"), 0x9000},
		{5, 6, 9, generate("e1"), 0x6a80},
		{5, 7, 0, generate("e1"), 0x9000},
		{5, 6, 9, generate("05"), 0x6a80},
		{5, 6, 9, generate("16"), 0x6a80},
		{5, 7, 0, generate("22"), 0x6a80},
	} {
		w := newWire(t, pivtest.Firmware(c.major, c.minor, c.patch))
		if c.major == 5 && c.minor == 7 {
			w.manage(0x0a)
		} else {
			w.manage(0x03)
		}
		if _, got := w.send(c.ins, c.p1, c.p2, c.data); got != c.status {
			t.Errorf("firmware %d.%d.%d, command %02x %s: status %04x, want %04x", c.major, c.minor, c.patch, c.ins, c.data, got, c.status)
		}
	}
}

// TestObjects fills the card until there is no more room.
func TestObjects(t *testing.T) {
	w := newWire(t)
	w.want(0x6982, insPut, 0x3f, 0xff, "5c035fc1025301aa")
	w.manage(0x03)
	w.want(0x6a80, insPut, 0x3f, 0xff, "5c017e5301aa")
	w.want(0x6a80, insPut, 0x3f, 0xff, "5c035fc102")
	w.want(0x6a84, insPut, 0x3f, 0xff, "5c035fc102"+tlv("53", strings.Repeat("00", 3053)))
	large := tlv("53", strings.Repeat("00", 3052))
	n := 0
	for ; n < 100; n++ {
		tag := hex.EncodeToString([]byte{0x5f, 0xff, 0x10 + byte(n)})
		_, status := w.send(insPut, 0x3f, 0xff, tlv("5c", tag)+large)
		if status == 0x6a84 {
			break
		}
		w.ok(insPut, 0x3f, 0xff, tlv("5c", tag)+large) // again: it takes no more room
	}
	if n != 16 {
		t.Errorf("%d objects of 3,052 bytes found room, want 16 in 51,200", n)
	}
	w.ok(insPut, 0x3f, 0xff, "5c035fff105300")
	w.want(0x6a82, insGet, 0x3f, 0xff, "5c035fff10")
	w.ok(insPut, 0x3f, 0xff, "5c035fc109"+large)
	w.want(0x6982, insGet, 0x3f, 0xff, "5c035fc109")
	w.ok(insVerify, 0, 0x80, padded("123456"))
	w.ok(insGet, 0x3f, 0xff, "5c035fc109")
}

func TestMetadata(t *testing.T) {
	w := newWire(t)
	w.send(insVerify, 0, 0x80, padded("000000"))
	for slot, want := range map[byte]string{
		0x80: "0101ff" + "050101" + "06020302",
		0x81: "0101ff" + "050101" + "06020303",
		0x9b: "010103" + "02020001" + "050101",
	} {
		if got := hex.EncodeToString(w.ok(insMetadata, 0, slot, "")); got != want {
			t.Errorf("reference %x: %s, want %s", slot, got, want)
		}
	}
	w.want(0x6a88, insMetadata, 0, 0x9a, "")
	w.want(0x6a86, insMetadata, 0, 0x96, "")
}
