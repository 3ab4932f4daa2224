package kms_test

import (
	"bytes"
	"crypto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/kms"
)

// A workbench is a directory with a private key of OpenSSL's.
type workbench struct {
	t      *testing.T
	dir    string
	public []byte // SubjectPublicKeyInfo
}

func newWorkbench(t *testing.T, genpkey ...string) *workbench {
	t.Helper()
	w := &workbench{t: t, dir: t.TempDir()}
	w.run(append([]string{"genpkey", "-out", "key"}, genpkey...)...)
	w.run("pkey", "-in", "key", "-pubout", "-outform", "DER", "-out", "pub")
	w.public = w.read("pub")
	return w
}

func (w *workbench) run(args ...string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "openssl", args...)
	cmd.Dir = w.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("openssl %v: %v: %s", args, err, out)
	}
}

func (w *workbench) write(name string, content []byte) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), content, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workbench) read(name string) []byte {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

var opensslKeys = map[string][]string{
	"RSA_2048":              {"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"},
	"RSA_3072":              {"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"},
	"ECC_NIST_P256":         {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"},
	"ECC_NIST_P384":         {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"},
	"ECC_NIST_P521":         {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"},
	"ECC_SECG_P256K1":       {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"},
	"ECC_NIST_EDWARDS25519": {"-algorithm", "ED25519"},
}

// TestVerifyOpenSSL verifies what OpenSSL signed, by message and by digest.
func TestVerifyOpenSSL(t *testing.T) {
	message := []byte("a message that OpenSSL signed")
	for spec, genpkey := range opensslKeys {
		t.Run(spec, func(t *testing.T) {
			w := newWorkbench(t, genpkey...)
			w.write("in", message)
			key := kms.WithPublic(spec, kms.SignVerify, w.public)
			for _, algorithm := range key.Algorithms() {
				w.run(signingArgs(algorithm)...)
				verifyBoth(t, key, algorithm, message, w.read("sig"))
			}
		})
	}
}

func signingArgs(algorithm string) []string {
	if strings.HasPrefix(algorithm, "ED25519") {
		return []string{"pkeyutl", "-sign", "-inkey", "key", "-rawin", "-in", "in", "-out", "sig"}
	}
	args := []string{"dgst", "-sha" + algorithm[len(algorithm)-3:], "-sign", "key", "-out", "sig"}
	if strings.Contains(algorithm, "PSS") {
		args = append(args, "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
	}
	return append(args, "in")
}

func verifyBoth(t *testing.T, key *kms.Key, algorithm string, message, signature []byte) {
	t.Helper()
	s := new(kms.Service)
	if err := s.Verify(key, algorithm, kms.MessageRaw, message, signature); err != nil {
		t.Errorf("%s: %v", algorithm, err)
	}
	if strings.HasPrefix(algorithm, "ED25519") {
		return
	}
	h := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[algorithm[len(algorithm)-3:]].New()
	h.Write(message)
	digest := h.Sum(nil)
	if err := s.Verify(key, algorithm, kms.MessageDigest, digest, signature); err != nil {
		t.Errorf("%s by digest: %v", algorithm, err)
	}
	if err := s.Verify(key, algorithm, kms.MessageRaw, digest, signature); err != kms.ErrInvalidSignature {
		t.Errorf("%s: a digest was not hashed as a message: %v", algorithm, err)
	}
}

// TestEncryptForOpenSSL has OpenSSL decrypt what was encrypted to its key.
func TestEncryptForOpenSSL(t *testing.T) {
	w := newWorkbench(t, opensslKeys["RSA_2048"]...)
	key := kms.WithPublic("RSA_2048", kms.EncryptDecrypt, w.public)
	for algorithm, hash := range map[string]string{"RSAES_OAEP_SHA_1": "sha1", "RSAES_OAEP_SHA_256": "sha256"} {
		plaintext := bytes.Repeat([]byte{9}, 190)
		blob, err := new(kms.Service).EncryptOAEP(key, algorithm, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		w.write("in", blob)
		w.run("pkeyutl", "-decrypt", "-inkey", "key", "-in", "in", "-out", "out", "-pkeyopt", "rsa_padding_mode:oaep",
			"-pkeyopt", "rsa_oaep_md:"+hash, "-pkeyopt", "rsa_mgf1_md:"+hash)
		if got := w.read("out"); !bytes.Equal(got, plaintext) {
			t.Errorf("%s: OpenSSL decrypted %x", algorithm, got)
		}
	}
}
