package pivtest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// library finds a PKCS#11 module where Debian and others keep it.
func library(t *testing.T, name, pkg string) string {
	t.Helper()
	for _, dir := range []string{"/usr/lib/*", "/usr/lib", "/usr/lib64", "/usr/local/lib"} {
		for _, sub := range []string{"", "pkcs11"} {
			if found, _ := filepath.Glob(filepath.Join(dir, sub, name)); len(found) > 0 {
				return found[0]
			}
		}
	}
	t.Fatalf("%s: not found\nhint: apt-get install %s", name, pkg)
	return ""
}

// message is what programs sign and encrypt.
var message = []byte("is this alice, now, for this purpose?")

// pkcs11Desk is a desk with a card that has keys and certificates in three slots,
// and the message.
func pkcs11Desk(t *testing.T) desk {
	t.Helper()
	d := newDesk(t, pivtest.Start(t))
	d.certify("9a", "ECCP256")
	d.certify("9c", "RSA2048")
	d.certify("9d", "RSA2048")
	d.certify("82", "ECCP384")
	d.tool("-a", "set-chuid", "-a", "set-ccc")
	d.write("message", message)
	return d
}

// useKeys signs, decrypts and agrees on a secret with pkcs11-tool, whose results
// openssl judges. The ids are those that both libraries give to the slots.
func (d desk) useKeys(module string) {
	d.t.Helper()
	login := []string{"--module", module, "--login", "--pin", d.card.PIN()}
	tool := func(args ...string) { d.t.Helper(); d.run("pkcs11-tool", append(login, args...)...) }

	tool("--sign", "--mechanism", "ECDSA-SHA256", "--id", "01", "--signature-format", "openssl", "--input-file", "message", "--output-file", "9a.sig")
	d.run("openssl", "dgst", "-sha256", "-verify", "9a.pub", "-signature", "9a.sig", "message")
	tool("--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", "02", "--input-file", "message", "--output-file", "9c.sig")
	d.run("openssl", "dgst", "-sha256", "-verify", "9c.pub", "-signature", "9c.sig", "message")
	tool("--sign", "--mechanism", "SHA256-RSA-PKCS-PSS", "--id", "02", "--input-file", "message", "--output-file", "9c.pss")
	d.run("openssl", "dgst", "-sha256", "-verify", "9c.pub", "-sigopt", "rsa_padding_mode:pss", "-signature", "9c.pss", "message")

	d.run("openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", "9d.pub", "-in", "message", "-out", "9d.enc")
	tool("--decrypt", "--mechanism", "RSA-PKCS", "--id", "03", "--input-file", "9d.enc", "--output-file", "9d.dec")
	d.same("message", "9d.dec")
}

// same checks that two files have the same content.
func (d desk) same(a, b string) {
	d.t.Helper()
	first, err := os.ReadFile(filepath.Join(d.dir, a))
	if err != nil {
		d.t.Fatal(err)
	}
	second, err := os.ReadFile(filepath.Join(d.dir, b))
	if err != nil {
		d.t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		d.t.Errorf("%s and %s differ: %x, %x", a, b, first, second)
	}
}

// agree derives a secret from a key on P-384 and one of openssl's, on both sides.
func (d desk) agree(module, slot, id string) {
	d.t.Helper()
	d.run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", "peer.key")
	d.run("openssl", "pkey", "-in", "peer.key", "-pubout", "-outform", "DER", "-out", "peer.der")
	d.run("pkcs11-tool", "--module", module, "--login", "--pin", d.card.PIN(), "--derive", "--mechanism", "ECDH1-DERIVE", "--id", id, "--input-file", "peer.der", "--output-file", "card.secret")
	d.run("openssl", "pkeyutl", "-derive", "-inkey", "peer.key", "-peerkey", slot+".pub", "-out", "peer.secret")
	d.same("card.secret", "peer.secret")
}

// TestYKCS11 is Yubico's PKCS#11 library under OpenSC's tool.
func TestYKCS11(t *testing.T) {
	t.Parallel()
	d := pkcs11Desk(t)
	module := library(t, "libykcs11.so", "ykcs11")
	d.contains(d.run("pkcs11-tool", "--module", module, "--list-token-slots"), "YubiKey PIV #10000001", d.card.Reader())
	d.contains(d.run("pkcs11-tool", "--module", module, "--list-objects"),
		"CN=slot 9a", "CN=slot 9c", "CN=slot 9d", "CN=slot 82", "CN=YubiKey PIV Attestation 9a", "CN=Yubico PIV Attestation")
	d.contains(d.run("pkcs11-tool", "--module", module, "--login", "--pin", "123456", "--list-objects", "--type", "privkey"),
		"Private key for PIV Authentication", "never extractable")
	d.useKeys(module)
	d.agree(module, "82", "05")

	manager := []string{"--module", module, "--login", "--login-type", "so", "--so-pin", "010203040506070801020304050607080102030405060708"}
	for _, kind := range []string{"EC:prime256v1", "rsa:2048"} {
		d.run("pkcs11-tool", append(manager, "--keypairgen", "--key-type", kind, "--id", "04")...)
		d.run("pkcs11-tool", "--module", module, "--read-object", "--type", "pubkey", "--id", "04", "--output-file", "9e.der")
		d.run("openssl", "pkey", "-pubin", "-inform", "DER", "-in", "9e.der", "-noout")
	}
	d.refused("CKR_PIN_INCORRECT", "pkcs11-tool", "--module", module, "--login", "--pin", "111111", "--list-objects")
	if pin, _ := d.card.Tries(); pin != 2 {
		t.Errorf("%d tries left after one wrong PIN, want 2", pin)
	}
}

// TestOpenSC is OpenSC's own PIV driver, in its PKCS#11 library and its tools.
func TestOpenSC(t *testing.T) {
	t.Parallel()
	d := pkcs11Desk(t)
	module := library(t, "opensc-pkcs11.so", "opensc-pkcs11")
	d.contains(d.run("opensc-tool", "--name"), "Personal Identity Verification Card")
	d.contains(d.run("pkcs11-tool", "--module", module, "--list-token-slots"), "piv_II", d.card.Reader())
	d.contains(d.run("pkcs11-tool", "--module", module, "--list-objects"), "CN=slot 9a", "CN=slot 9c", "CN=slot 9d", "Card Holder Unique Identifier")
	d.contains(d.run("pkcs11-tool", "--module", module, "--login", "--pin", "123456", "--list-objects", "--type", "privkey"), "SIGN key", "always authenticate")
	d.useKeys(module)
	d.certify("9d", "ECCP384")
	d.agree(module, "9d", "03")
	d.refused("CKR_PIN_INCORRECT", "pkcs11-tool", "--module", module, "--login", "--pin", "111111", "--list-objects")
}
