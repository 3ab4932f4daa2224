package command_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
)

// TestPublicKeyForms: every form is the same key, by the programs and
// libraries that read it.
func TestPublicKeyForms(t *testing.T) {
	appliance(t)
	for spec, ssh := range map[string]string{
		"RSA_2048": "ssh-rsa", "ECC_NIST_P256": "ecdsa-sha2-nistp256", "ECC_NIST_P384": "ecdsa-sha2-nistp384",
		"ECC_NIST_P521": "ecdsa-sha2-nistp521", "ECC_NIST_EDWARDS25519": "ssh-ed25519",
	} {
		key := newKey(t, "--spec", spec, "--usage", "SIGN_VERIFY")
		want := publicKeyOf(t, key).(interface{ Equal(crypto.PublicKey) bool })

		block, _ := pem.Decode([]byte(ok(t, "", "public-key", key)))
		if pub, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil || !want.Equal(pub) {
			t.Errorf("%s: PEM: %v", spec, err)
		}
		var jwk jose.JSONWebKey
		if err := jwk.UnmarshalJSON([]byte(ok(t, "", "public-key", key, "-f", "jwk"))); err != nil || !want.Equal(jwk.Key) || jwk.KeyID != key {
			t.Errorf("%s: JWK: %v", spec, err)
		}
		line := ok(t, "", "public-key", key, "-f", "ssh")
		if !strings.HasPrefix(line, ssh+" ") {
			t.Errorf("%s: SSH: %s", spec, line)
		}
		// ssh-keygen turns the line into what the other forms are.
		file := writeTemp(t, "key.pub", line)
		if spec != "ECC_NIST_EDWARDS25519" {
			got, err := exec.Command("ssh-keygen", "-e", "-m", "PKCS8", "-f", file).Output()
			if block, _ := pem.Decode(got); err != nil || block == nil || !bytes.Equal(block.Bytes, []byte(ok(t, "", "public-key", key, "-f", "der"))) {
				t.Errorf("%s: ssh-keygen: %v, %s", spec, err, got)
			}
		} else if got, err := exec.Command("ssh-keygen", "-l", "-f", file).CombinedOutput(); err != nil || !strings.Contains(string(got), "(ED25519)") {
			t.Errorf("%s: ssh-keygen: %v, %s", spec, err, got)
		}
	}
}

func TestPublicKeySecp256k1(t *testing.T) {
	appliance(t)
	key := newKey(t, "--spec", "ECC_SECG_P256K1")
	der := []byte(ok(t, "", "public-key", key, "-f", "der"))
	var jwk map[string]string
	if err := json.Unmarshal([]byte(ok(t, "", "public-key", key, "-f", "jwk")), &jwk); err != nil {
		t.Fatal(err)
	}
	x, err := base64.RawURLEncoding.DecodeString(jwk["x"])
	y, yerr := base64.RawURLEncoding.DecodeString(jwk["y"])
	if err != nil || yerr != nil || jwk["crv"] != "secp256k1" || jwk["kty"] != "EC" || !bytes.HasSuffix(der, append(append([]byte{4}, x...), y...)) {
		t.Errorf("got %v", jwk)
	}
	fails(t, 2, "", []string{"public-key", key, "-f", "ssh"}, "secp256k1 keys have no such form", "pem or der")
}

func TestPublicKeyAnswers(t *testing.T) {
	appliance(t)
	key := newKey(t, "--spec", "ECC_NIST_P256", "--usage", "SIGN_VERIFY")
	doc := answer[map[string]any](t, "public-key", key)
	if doc["KeySpec"] != "ECC_NIST_P256" || doc["PublicKey"] != base64.StdEncoding.EncodeToString([]byte(ok(t, "", "public-key", key, "-f", "der"))) {
		t.Errorf("got %v", doc)
	}
	file := inTemp(t, "pub.pem")[0]
	ok(t, "", "public-key", key, "--out", file)
	if mustRead(t, file) != ok(t, "", "public-key", key) {
		t.Error("the file is not what is printed")
	}
	fails(t, 1, "", []string{"public-key", newKey(t)}, "(UnsupportedOperationException)")
	fails(t, 2, "", []string{"public-key", key, "-f", "xml"}, "must be one of pem, der, jwk, ssh")
}

// FuzzPublicForms: a key that has forms has them in full, and what is no key is
// refused.
func FuzzPublicForms(f *testing.F) {
	for _, curve := range []elliptic.Curve{elliptic.P224(), elliptic.P256(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			f.Fatal(err)
		}
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		text, _, err := command.PublicForms(der)
		if err != nil {
			return
		}
		var jwk map[string]string
		if err := json.Unmarshal(text, &jwk); err != nil || jwk["x"]+jwk["n"] == "" || jwk["kty"] == "" {
			t.Errorf("%x is written as %s, %v", der, text, err)
		}
	})
}
