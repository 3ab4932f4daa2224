package command_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// publicKeyOf reads the public key that keyctl prints.
func publicKeyOf(t *testing.T, key string) any {
	t.Helper()
	pub, err := x509.ParsePKIXPublicKey([]byte(ok(t, "", "public-key", key, "-f", "der")))
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

// TestSignAndVerify signs messages of all sizes and forms, and lets Go's own
// crypto judge.
func TestSignAndVerify(t *testing.T) {
	appliance(t)
	ec := newKey(t, "--spec", "ecc_nist_p256", "--usage", "sign_verify", "--alias", "ec")
	pub := publicKeyOf(t, ec).(*ecdsa.PublicKey)
	for _, size := range []int{1, 4096, 4097, 100_000} {
		message := strings.Repeat("m", size)
		file := writeTemp(t, "message", message)
		r := keyctl("", "sign", "--key", "alias/ec", "--raw", file)
		if large := size > 4096; r.code != 0 || (r.stderr != "") != large {
			t.Fatalf("%d bytes: %+v", size, r)
		} else if large {
			holds(t, r.stderr, fmt.Sprintf("message: %d bytes, more than 4,096; its SHA-256 digest is sent", size))
		}
		sum := sha256.Sum256([]byte(message))
		if !ecdsa.VerifyASN1(pub, sum[:], []byte(r.stdout)) {
			t.Errorf("%d bytes: Go does not accept the signature", size)
		}
		signature := writeTemp(t, "sig", r.stdout)
		if r := keyctl(message, "verify", "--key", ec, "--signature", signature); r.code != 0 || !strings.Contains(r.stdout, "the signature is good: ECDSA_SHA_256") {
			t.Errorf("%d bytes: %+v", size, r)
		}
		if r := keyctl(message+"x", "verify", "--key", ec, "--signature", signature); r.code != 9 || !strings.Contains(r.stderr, "(KMSInvalidSignatureException)") {
			t.Errorf("%d bytes and one more: %+v", size, r)
		}
	}
	fails(t, 2, strings.Repeat("m", 4097), []string{"sign", "--key", ec, "--raw-message"}, "4,096", "leave --raw-message out")
	fails(t, 2, "", []string{"sign", "--key", ec}, "message: empty")
	fails(t, 2, "AA==", []string{"verify", "--key", ec, "--signature", "-"}, "both read from standard input")
	fails(t, 9, "x", []string{"verify", "--key", ec, "--signature", writeTemp(t, "sig", "AAAA")}, "Signature")
}

// TestSignDigest: a digest in each form is signed as it is, and never hashed
// again.
func TestSignDigest(t *testing.T) {
	appliance(t)
	key := newKey(t, "--spec", "RSA_2048", "--usage", "SIGN_VERIFY")
	pub := publicKeyOf(t, key).(*rsa.PublicKey)
	sum := sha512.Sum384([]byte("message"))
	for name, in := range map[string]string{
		"bytes": string(sum[:]), "hex": hex.EncodeToString(sum[:]), "sha384sum": hex.EncodeToString(sum[:]) + "  message\n",
		"base64": base64.StdEncoding.EncodeToString(sum[:]) + "\n",
	} {
		out := ok(t, in, "sign", "--key", key, "--digest", "--algorithm", "RSASSA_PKCS1_V1_5_SHA_384", "--raw")
		if err := rsa.VerifyPKCS1v15(pub, crypto.SHA384, sum[:], []byte(out)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, in := range map[string]string{"another hash's": hex.EncodeToString(sum[:32]), "text": strings.Repeat("a", 48), "nothing": ""} {
		fails(t, 2, in, []string{"sign", "--key", key, "--digest", "--algorithm", "RSASSA_PSS_SHA_384"}, "digest: must be the 48 bytes of SHA-384")
	}
	// Without --algorithm an RSA key signs by PSS.
	short := sha256.Sum256([]byte("x"))
	out := ok(t, "x", "sign", "--key", key, "--raw")
	if err := rsa.VerifyPSS(pub, crypto.SHA256, short[:], []byte(out), nil); err != nil {
		t.Error(err)
	}
	fails(t, 2, "x", []string{"sign", "--key", key, "--algorithm", "ECDSA_SHA_256"}, "(InvalidKeyUsageException)", "--algorithm")
	fails(t, 2, "x", []string{"sign", "--key", newKey(t)}, "not a key for signing, its usage is ENCRYPT_DECRYPT")
}

func TestSignEd25519(t *testing.T) {
	appliance(t)
	key := newKey(t, "--spec", "ECC_NIST_EDWARDS25519")
	pub := publicKeyOf(t, key).(ed25519.PublicKey)
	if out := ok(t, "message", "sign", "--key", key, "--raw"); !ed25519.Verify(pub, []byte("message"), []byte(out)) {
		t.Error("Go does not accept the signature")
	}
	fails(t, 2, strings.Repeat("m", 4097), []string{"sign", "--key", key}, "ED25519_SHA_512 signs no digests")
	fails(t, 2, "x", []string{"sign", "--key", key, "--digest"}, "ED25519_SHA_512: signs messages, not digests")
}

// TestSignPrehashed: the pre-hashed Ed25519 takes digests only, of short
// messages too. (No token of these tests has it.)
func TestSignPrehashed(t *testing.T) {
	s := serve(t, map[string]any{"Sign": map[string]any{"KeyId": keyARN, "Signature": "AQID", "SigningAlgorithm": "ED25519_PH_SHA_512"}})
	sum := sha512.Sum512([]byte("message"))
	wantJSON(t, ok(t, "message", "sign", "--key", keyID, "--algorithm", "ED25519_PH_SHA_512", "-o", "json"),
		`{"KeyId":"`+keyARN+`","SigningAlgorithm":"ED25519_PH_SHA_512","MessageType":"DIGEST","Signature":"AQID"}`)
	if in := s.last(); in["MessageType"] != "DIGEST" || in["Message"] != base64.StdEncoding.EncodeToString(sum[:]) {
		t.Errorf("sent %v", in)
	}
}

func TestMac(t *testing.T) {
	appliance(t)
	key := newKey(t, "--spec", "HMAC_256")
	mac := ok(t, "message", "mac", "generate", "--key", key)
	hexed := ok(t, "message", "mac", "generate", "--key", key, "--hex")
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(mac))
	if err != nil || hex.EncodeToString(decoded)+"\n" != hexed || len(decoded) != 32 {
		t.Errorf("%q, %q, %v", mac, hexed, err)
	}
	for _, form := range []string{mac, string(decoded)} {
		holds(t, ok(t, "message", "mac", "verify", "--key", key, "--mac", writeTemp(t, "mac", form)), "the MAC is good: HMAC_SHA_256")
		fails(t, 9, "messag", []string{"mac", "verify", "--key", key, "--mac", writeTemp(t, "mac", form)}, "(KMSInvalidMacException)")
	}
	fails(t, 2, strings.Repeat("m", 4097), []string{"mac", "generate", "--key", key}, "4,096")
	fails(t, 2, "", []string{"mac", "generate", "--key", key}, "message: empty")
	fails(t, 2, "m", []string{"mac", "generate", "--key", newKey(t)}, "not a key for MACs")
}

// TestDerive: both sides come to the same secret.
func TestDerive(t *testing.T) {
	appliance(t)
	a := newKey(t, "--spec", "ECC_NIST_P384", "--usage", "KEY_AGREEMENT")
	b := newKey(t, "--spec", "ECC_NIST_P384", "--usage", "KEY_AGREEMENT")
	pem := ok(t, "", "public-key", b)
	der := ok(t, "", "public-key", a, "-f", "der")
	one := ok(t, pem, "derive", "--key", a, "--public-key", "-")
	two := ok(t, der, "derive", "--key", b, "--public-key", "-")
	three := ok(t, base64.StdEncoding.EncodeToString([]byte(der)), "derive", "--key", b, "--public-key", "-")
	if one != two || two != three || len(one) != 65 {
		t.Errorf("%q, %q, %q", one, two, three)
	}
	fails(t, 2, "hello", []string{"derive", "--key", a, "--public-key", "-"}, "neither PEM nor DER", "openssl")
	fails(t, 2, strings.ReplaceAll(pem, "PUBLIC", "PRIVATE"), []string{"derive", "--key", a, "--public-key", "-"}, "holds a PRIVATE KEY")
	fails(t, 2, "", []string{"derive", "--key", a, "--public-key", "-"}, "empty")
}

// TestEncryptWithRSA: to the key with keyctl, and to its public half with Go.
func TestEncryptWithRSA(t *testing.T) {
	appliance(t)
	key := newKey(t, "--spec", "RSA_2048", "--usage", "ENCRYPT_DECRYPT", "--alias", "rsa")
	const algorithm = "RSAES_OAEP_SHA_256"
	ciphertext := ok(t, "secret", "encrypt", "--key", "alias/rsa", "--algorithm", algorithm)
	if got := ok(t, ciphertext, "decrypt", "--key", key, "--algorithm", algorithm); got != "secret" {
		t.Errorf("came back as %q", got)
	}
	fails(t, 2, "secret", []string{"encrypt", "--key", key}, "incompatible", "name one of the key's with --algorithm")
	symmetric := newKey(t)
	moved := ok(t, ciphertext, "reencrypt", "--source-key", key, "--source-algorithm", algorithm, "--key", symmetric)
	if got := ok(t, moved, "decrypt"); got != "secret" {
		t.Errorf("came back as %q", got)
	}
	local, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, publicKeyOf(t, key).(*rsa.PublicKey), []byte("from outside"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := ok(t, string(local), "decrypt", "--key", key, "--algorithm", algorithm, "--in-format", "raw"); got != "from outside" {
		t.Errorf("came back as %q", got)
	}
}

// TestDatakeyPair: the pair belongs together, and the encrypted half opens.
func TestDatakeyPair(t *testing.T) {
	appliance(t)
	key := newKey(t)
	files := inTemp(t, "priv.pem", "pub.pem", "k.enc")
	holds(t, ok(t, "", "datakey", "--key", key, "--context", "a=b", "--pair", "ECC_NIST_P256",
		"--plaintext-out", files[0], "--public-out", files[1], "--ciphertext-out", files[2]), "private key   in "+files[0])
	holds(t, mustRead(t, files[0]), "BEGIN PRIVATE KEY")
	opened, err := x509.ParsePKCS8PrivateKey([]byte(ok(t, "", "decrypt", "--context", "a=b", files[2])))
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(opened.(*ecdsa.PrivateKey).Public())
	if err != nil || !strings.Contains(mustRead(t, files[1]), base64.StdEncoding.EncodeToString(der)[:64]) {
		t.Errorf("%v: another public key", err)
	}
	blind := answer[map[string]string](t, "datakey", "--key", key, "--pair", "RSA_2048", "--without-plaintext")
	if blind["PrivateKeyPlaintext"] != "" || blind["PublicKey"] == "" || blind["KeyPairSpec"] != "RSA_2048" {
		t.Errorf("got %v", blind)
	}
	fails(t, 2, "", []string{"datakey", "--key", key, "--public-out", files[1]}, "only key pairs")
	fails(t, 2, "", []string{"datakey", "--key", key, "--pair", "AES_256"}, "must be one of RSA_2048")
}
