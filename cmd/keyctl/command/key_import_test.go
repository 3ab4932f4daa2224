package command_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"os/exec"
	"strings"
	"testing"
)

// openssl runs OpenSSL and returns what it prints.
func openssl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("openssl", args...).Output()
	if err != nil {
		t.Fatalf("openssl %v: %v", args, err)
	}
	return string(out)
}

// TestImportSecrets: material of every form opens what the same material in
// another form encrypted.
func TestImportSecrets(t *testing.T) {
	kit := appliance(t)
	secret := openssl(t, "rand", "32")
	key := newKey(t, "--origin", "external", "--alias", "mine")
	holds(t, ok(t, "", "key", "describe", key), "PendingImport", "to do", "keyctl key import ")
	fails(t, 7, "x", []string{"encrypt", "--key", key}, "pending import", "give it its material: keyctl key import "+key+" FILE")

	holds(t, ok(t, secret, "key", "import", "alias/mine", "--expire", "30d"), key+": has its material now, until 20")
	ciphertext := ok(t, "secret", "encrypt", "--key", key)
	holds(t, ok(t, "", "key", "describe", key), "expires ")
	fails(t, 2, openssl(t, "rand", "32"), []string{"key", "import", key, "--wrapping-key", "RSA_2048"}, "(IncorrectKeyMaterialException)")

	fails(t, 2, "", []string{"key", "import", key, "--delete"}, "nobody to ask")
	holds(t, ok(t, "", "key", "import", key, "--delete", "--yes"), "its material is gone")
	fails(t, 7, ciphertext, []string{"decrypt"}, "pending import")
	ok(t, base64.StdEncoding.EncodeToString([]byte(secret)), "key", "import", key, "--wrapping-key", "RSA_2048")
	if got := ok(t, ciphertext, "decrypt"); got != "secret" {
		t.Errorf("came back as %q", got)
	}
	if k := answer[map[string]any](t, "key", "describe", key); k["ExpirationModel"] != "KEY_MATERIAL_DOES_NOT_EXPIRE" || k["ValidTo"] != nil {
		t.Errorf("got %v", k)
	}
	// Nothing of it is in a log.
	for _, event := range kit.Events(0) {
		if strings.Contains(string(event), base64.StdEncoding.EncodeToString([]byte(secret))) {
			t.Errorf("the material stands in %s", event)
		}
	}
}

// TestImportPrivateKeys: what OpenSSL made signs in the token.
func TestImportPrivateKeys(t *testing.T) {
	appliance(t)
	for spec, private := range map[string]string{
		"RSA_2048":        openssl(t, "genrsa", "-traditional", "2048"),
		"ECC_NIST_P384":   openssl(t, "ecparam", "-name", "secp384r1", "-genkey"),
		"ECC_SECG_P256K1": openssl(t, "ecparam", "-name", "secp256k1", "-genkey", "-noout"),
	} {
		key := newKey(t, "--spec", spec, "--usage", "SIGN_VERIFY", "--origin", "EXTERNAL")
		file := writeTemp(t, "private.pem", private)
		ok(t, "", "key", "import", key, file, "--wrapping-key", "RSA_3072")
		if want := openssl(t, "pkey", "-in", file, "-pubout"); ok(t, "", "public-key", key) != want {
			t.Errorf("%s: another public key", spec)
		}
		signature := ok(t, "message", "sign", "--key", key)
		ok(t, "message", "verify", "--key", key, "--signature", writeTemp(t, "sig", signature))
	}
	wrong := newKey(t, "--spec", "ECC_NIST_P256", "--origin", "EXTERNAL", "--usage", "SIGN_VERIFY")
	if r := keyctl(openssl(t, "ecparam", "-name", "secp384r1", "-genkey"), "key", "import", wrong); r.code == 0 {
		t.Errorf("a key of another curve was taken: %+v", r)
	}
	if got := answer[map[string]any](t, "key", "describe", wrong)["KeyState"]; got != "PendingImport" {
		t.Errorf("after that the key is %v", got)
	}
}

func TestImportHMAC(t *testing.T) {
	appliance(t)
	key := newKey(t, "--spec", "HMAC_384", "--origin", "EXTERNAL")
	secret := openssl(t, "rand", "48")
	ok(t, secret, "key", "import", key, "--wrapping-key", "RSA_2048")
	want := openssl(t, "mac", "-digest", "SHA384", "-macopt", "hexkey:"+hex.EncodeToString([]byte(secret)), "-in", writeTemp(t, "m", "message"), "HMAC")
	if got := ok(t, "message", "mac", "generate", "--key", key, "--hex"); !strings.EqualFold(got, want) {
		t.Errorf("%s, OpenSSL %s", got, want)
	}
}

func TestImportRefused(t *testing.T) {
	appliance(t)
	key := newKey(t, "--origin", "EXTERNAL")
	secret := string(append([]byte{0xff}, make([]byte, 31)...))
	fails(t, 7, secret, []string{"key", "import", newKey(t)}, "its origin is AWS_KMS", "--origin EXTERNAL")
	fails(t, 2, secret[1:], []string{"key", "import", key}, "32 bytes")
	fails(t, 2, "", []string{"key", "import", key}, "material: empty")
	fails(t, 2, secret, []string{"key", "import", key, "--expire", "30m"}, "12h, 30d or 4w")
	fails(t, 2, secret, []string{"key", "import", key, "--valid-to", "tomorrow"}, "2027-01-31")
	fails(t, 2, secret, []string{"key", "import", key, "--valid-to", "2020-01-01"}, "(ValidationException)")
	fails(t, 2, secret, []string{"key", "import", key, "--valid-to", "2027-01-01", "--expire", "1d"}, "expire")
	fails(t, 2, secret, []string{"key", "import", key, "--delete", "--new"}, "delete")
	fails(t, 2, strings.Repeat("x", 40_000), []string{"key", "import", key}, "no key")
	fails(t, 2, "", []string{"key", "import", key, "file", "--delete", "--yes"}, "takes no FILE")
	rsa := newKey(t, "--spec", "RSA_2048", "--usage", "SIGN_VERIFY", "--origin", "EXTERNAL")
	sealed := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{0x30, 0}})
	fails(t, 2, string(sealed), []string{"key", "import", rsa}, "passphrase", "openssl pkcs8")
}

// TestImportNewMaterial: a symmetric key rotates to material of its owner's.
func TestImportNewMaterial(t *testing.T) {
	appliance(t)
	key := newKey(t, "--origin", "EXTERNAL")
	first := answerTo[map[string]string](t, openssl(t, "rand", "32"), "key", "import", key, "--description", "first", "--wrapping-key", "RSA_2048")
	ciphertext := ok(t, "secret", "encrypt", "--key", key)
	second := answerTo[map[string]string](t, openssl(t, "rand", "32"), "key", "import", key, "--new", "--description", "second", "--wrapping-key", "RSA_2048")
	if first["KeyMaterialId"] == second["KeyMaterialId"] || len(first["KeyMaterialId"]) != 64 {
		t.Errorf("%v, %v", first, second)
	}
	holds(t, ok(t, "", "rotate", "list", key, "--all"), "PENDING_ROTATION", "second")
	holds(t, ok(t, "", "rotate", "now", key), "rotated")
	holds(t, ok(t, "", "rotate", "list", key), "ON_DEMAND", second["KeyMaterialId"])
	if got := ok(t, ciphertext, "decrypt"); got != "secret" {
		t.Errorf("came back as %q", got)
	}
}
