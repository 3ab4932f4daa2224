package pivtest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// tool runs yubico-piv-tool.
func (d desk) tool(args ...string) string {
	d.t.Helper()
	return d.run("yubico-piv-tool", args...)
}

// certify makes a key and a certificate for it in a slot. The certificate is
// signed on the desk: the tool's own actions for that, selfsign-certificate and
// request-certificate, fail in version 2.2.0 with OpenSSL 3 before a command
// reaches any card (its issue 388).
func (d desk) certify(slot, algorithm string) {
	d.t.Helper()
	if _, err := os.Stat(filepath.Join(d.dir, "ca.crt")); err != nil {
		d.run("openssl", "req", "-new", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-subj", "/CN=CA", "-out", "ca.crt")
	}
	d.tool("-a", "generate", "-s", slot, "-A", algorithm, "-o", slot+".pub")
	d.run("openssl", "x509", "-new", "-force_pubkey", slot+".pub", "-subj", "/CN=slot "+slot, "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "365", "-out", slot+".crt")
	d.tool("-a", "import-certificate", "-s", slot, "-i", slot+".crt")
}

// TestYubicoPIVTool is Yubico's own program at work on keys: it makes and
// certifies them, uses them, imports them, and has them attested.
func TestYubicoPIVTool(t *testing.T) {
	t.Parallel()
	d := newDesk(t, pivtest.Start(t))
	d.writeRoot("root.crt")
	d.tool("-a", "read-certificate", "-s", "f9", "-o", "f9.crt")
	pin := d.card.PIN()
	for slot, algorithm := range map[string]string{"9a": "ECCP256", "9c": "RSA2048", "9d": "ECCP384", "9e": "RSA1024", "82": "ECCP256", "95": "RSA2048"} {
		d.certify(slot, algorithm)
		d.tool("-a", "verify-pin", "-P", pin, "-a", "test-signature", "-s", slot, "-i", slot+".crt")
		d.tool("-a", "verify-pin", "-P", pin, "-a", "test-decipher", "-s", slot, "-i", slot+".crt")
		d.tool("-a", "attest", "-s", slot, "-o", slot+".att")
		d.run("openssl", "verify", "-CAfile", "root.crt", "-untrusted", "f9.crt", slot+".att")
	}
	d.tool("-a", "set-chuid", "-a", "set-ccc")
	d.contains(d.tool("-a", "status"), "Version:\t5.4.3", "Serial Number:\t10000001", "PIN tries left:\t3",
		"Slot 9a:", "CN=slot 9a", "ECCP256", "Slot 9c:", "RSA2048", "Slot 9d:", "ECCP384", "Slot 9e:", "RSA1024", "Slot 82:", "Slot 95:")

	for algorithm, args := range map[string][]string{
		"ec":  {"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"},
		"rsa": {"genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"},
	} {
		d.run("openssl", append(args, "-out", algorithm+".key")...)
		d.run("openssl", "req", "-new", "-x509", "-key", algorithm+".key", "-subj", "/CN=imported", "-out", algorithm+".crt")
		d.tool("-a", "import-key", "-s", "83", "-i", algorithm+".key")
		d.tool("-a", "verify-pin", "-P", pin, "-a", "test-signature", "-s", "83", "-i", algorithm+".crt")
		d.refused("Failed", "yubico-piv-tool", "-a", "attest", "-s", "83")
	}
	d.tool("-a", "delete-certificate", "-s", "9a")
	d.refused("Failed", "yubico-piv-tool", "-a", "read-certificate", "-s", "9a")
}

// TestYubicoPIVToolSecrets is the same program at work on the PIN, the PUK and the
// management key.
func TestYubicoPIVToolSecrets(t *testing.T) {
	t.Parallel()
	d := newDesk(t, pivtest.Start(t))
	d.tool("-a", "change-pin", "-P", "123456", "-N", "654321")
	d.tool("-a", "verify-pin", "-P", "654321")
	d.tool("-a", "change-puk", "-P", "12345678", "-N", "87654321")
	if d.card.PIN() != "654321" || d.card.PUK() != "87654321" {
		t.Errorf("PIN %q, PUK %q after the change", d.card.PIN(), d.card.PUK())
	}
	d.refused("2 tries left", "yubico-piv-tool", "-a", "verify-pin", "-P", "111111")
	d.refused("1 tries left", "yubico-piv-tool", "-a", "verify-pin", "-P", "111111")
	d.refused("blocked", "yubico-piv-tool", "-a", "verify-pin", "-P", "111111")
	d.refused("blocked", "yubico-piv-tool", "-a", "verify-pin", "-P", "654321")
	d.tool("-a", "unblock-pin", "-P", "87654321", "-N", "246810")
	d.tool("-a", "verify-pin", "-P", "246810")

	key := "0102030405060708090a0b0c0d0e0f101112131415161718"
	d.tool("-a", "set-mgm-key", "-n", key)
	d.refused("Failed authentication", "yubico-piv-tool", "-a", "generate", "-s", "9a", "-A", "ECCP256")
	d.tool("-k"+key, "-a", "generate", "-s", "9a", "-A", "ECCP256", "-o", "9a.pub", "--touch-policy", "always")
	d.tool("-a", "attest", "-s", "9a", "-o", "9a.crt")
	d.tool("-a", "verify-pin", "-P", "246810", "-a", "test-signature", "-s", "9a", "-i", "9a.crt")
	d.card.Touch(false)
	d.refused("Failed", "yubico-piv-tool", "-a", "verify-pin", "-P", "246810", "-a", "test-signature", "-s", "9a", "-i", "9a.crt")
	if n := d.card.TouchesAsked(); n != 2 {
		t.Errorf("%d touches asked for, want 2", n)
	}

	d.tool("-k"+key, "-a", "verify-pin", "-P", "246810", "-a", "pin-retries", "--pin-retries", "2", "--puk-retries", "1")
	if pin, puk := d.card.Tries(); pin != 2 || puk != 1 || d.card.PIN() != pivtest.DefaultPIN {
		t.Errorf("after pin-retries: PIN %q with %d tries, PUK with %d", d.card.PIN(), pin, puk)
	}
	d.refused("Reset failed", "yubico-piv-tool", "-a", "reset")
	for range 2 {
		d.refused("", "yubico-piv-tool", "-a", "verify-pin", "-P", "111111")
	}
	d.refused("", "yubico-piv-tool", "-a", "change-puk", "-P", "11111111", "-N", "11111111")
	d.tool("-a", "reset")
	d.tool("-a", "generate", "-s", "9a", "-A", "ECCP256")
}
