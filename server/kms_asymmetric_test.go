package server_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // of RSAES_OAEP_SHA_1
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"hash"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

// TestAsymmetricEncryption: RSA keys decrypt what Go, OpenSSL and Encrypt encrypted
// to their public key.
func TestAsymmetricEncryption(t *testing.T) {
	kit := testkit.Start(t)
	ring := newKeyring(kit.KMS(region))
	for _, is := range []struct {
		spec   types.KeySpec
		size   int
		hash   func() hash.Hash
		digest string
	}{
		{"RSA_2048", 214, sha1.New, "sha1"}, {"RSA_2048", 190, sha256.New, "sha256"},
		{"RSA_3072", 342, sha1.New, "sha1"}, {"RSA_3072", 318, sha256.New, "sha256"},
		{"RSA_4096", 470, sha1.New, "sha1"}, {"RSA_4096", 446, sha256.New, "sha256"},
	} {
		algorithm := types.EncryptionAlgorithmSpec("RSAES_OAEP_SHA_" + is.digest[3:])
		t.Run(string(is.spec)+" "+string(algorithm), func(t *testing.T) {
			encryptAndDecrypt(t, ring, is.spec, algorithm, is.size, is.hash, is.digest)
		})
	}
}

func encryptAndDecrypt(t *testing.T, ring *keyring, spec types.KeySpec, algorithm types.EncryptionAlgorithmSpec, most int, h func() hash.Hash, digest string) {
	c, ctx := ring.c, t.Context()
	m := ring.key(t, spec, "ENCRYPT_DECRYPT")
	spki := ring.public(t, m.KeyId)
	public := must(x509.ParsePKIXPublicKey(spki)).(*rsa.PublicKey)
	for _, size := range []int{1, most} {
		plaintext := bytes.Repeat([]byte{7}, size)
		e := must(c.Encrypt(ctx, &kms.EncryptInput{KeyId: m.KeyId, Plaintext: plaintext, EncryptionAlgorithm: algorithm}))
		if *e.KeyId != *m.Arn || e.EncryptionAlgorithm != algorithm {
			t.Errorf("answer of %s, %s", *e.KeyId, e.EncryptionAlgorithm)
		}
		foreign := must(rsa.EncryptOAEP(h(), rand.Reader, public, plaintext, nil))
		other, err := openssl(t, map[string][]byte{"pub": spki, "in": plaintext}, "pkeyutl", "-encrypt", "-pubin", "-keyform", "DER",
			"-inkey", "pub", "-in", "in", "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:"+digest, "-pkeyopt", "rsa_mgf1_md:"+digest)
		if err != nil {
			t.Fatal(other)
		}
		for who, blob := range map[string][]byte{"keyd": e.CiphertextBlob, "Go": foreign, "OpenSSL": []byte(other)} {
			d, err := c.Decrypt(ctx, &kms.DecryptInput{KeyId: m.KeyId, CiphertextBlob: blob, EncryptionAlgorithm: algorithm})
			if err != nil {
				t.Errorf("%s: %v", who, err)
				continue
			}
			if !bytes.Equal(d.Plaintext, plaintext) || *d.KeyId != *m.Arn || d.EncryptionAlgorithm != algorithm || d.KeyMaterialId != nil {
				t.Errorf("%s: %+v", who, d)
			}
		}
	}
	_, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: m.KeyId, Plaintext: make([]byte, most+1), EncryptionAlgorithm: algorithm, DryRun: new(true)})
	refused(t, "too long", err, "ValidationException", "cannot encrypt data larger than "+strconv.Itoa(most)+" bytes.")
}

// TestAsymmetricEncryptionRefuses: and every ciphertext that does not open is
// answered alike.
func TestAsymmetricEncryptionRefuses(t *testing.T) {
	kit := testkit.Start(t)
	ring := newKeyring(kit.KMS(region))
	c, ctx := ring.c, t.Context()
	m := ring.key(t, "RSA_2048", "ENCRYPT_DECRYPT")
	const oaep = types.EncryptionAlgorithmSpecRsaesOaepSha256
	symmetric := kit.NewKey(region)
	sealed := must(c.Encrypt(ctx, &kms.EncryptInput{KeyId: &symmetric, Plaintext: []byte("x")})).CiphertextBlob
	good := must(c.Encrypt(ctx, &kms.EncryptInput{KeyId: m.KeyId, Plaintext: []byte("x"), EncryptionAlgorithm: oaep})).CiphertextBlob
	public := must(x509.ParsePKIXPublicKey(ring.public(t, m.KeyId))).(*rsa.PublicKey)
	for what, blob := range map[string][]byte{
		"changed": append([]byte{good[0] ^ 1}, good[1:]...), "cut": cut(good), "longer": append(bytes.Clone(good), 0),
		"zero": make([]byte, 256), "as large as the modulus": public.N.Bytes(), "one byte": {1}, "symmetric": sealed,
		"other hash":  must(rsa.EncryptOAEP(sha1.New(), rand.Reader, public, []byte("x"), nil)),
		"other label": must(rsa.EncryptOAEP(sha256.New(), rand.Reader, public, []byte("x"), []byte("l"))),
		"PKCS1":       must(rsa.EncryptPKCS1v15(rand.Reader, public, []byte("x"))), // which must be refused
	} {
		_, err := c.Decrypt(ctx, &kms.DecryptInput{KeyId: m.KeyId, CiphertextBlob: blob, EncryptionAlgorithm: oaep})
		refused(t, what, err, "InvalidCiphertextException", "")
	}
	_, err := c.Decrypt(ctx, &kms.DecryptInput{KeyId: m.KeyId, CiphertextBlob: good})
	refused(t, "without algorithm", err, "InvalidCiphertextException", "")
	_, err = c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: good, EncryptionAlgorithm: oaep})
	refused(t, "without key", err, "ValidationException", "KeyId must not be null")
	_, err = c.Decrypt(ctx, &kms.DecryptInput{KeyId: m.KeyId, CiphertextBlob: sealed})
	refused(t, "symmetric ciphertext", err, "IncorrectKeyException", "does not identify")
	_, err = c.Decrypt(ctx, &kms.DecryptInput{KeyId: m.KeyId, CiphertextBlob: good, EncryptionAlgorithm: oaep, DryRun: new(true)})
	refused(t, "dry run", err, "DryRunOperationException", "would have succeeded")
	_, err = c.Encrypt(ctx, &kms.EncryptInput{KeyId: m.KeyId, Plaintext: []byte("x")})
	refused(t, "without algorithm", err, "InvalidKeyUsageException", "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.")
	const noContext = "EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs."
	_, err = c.Encrypt(ctx, &kms.EncryptInput{KeyId: m.KeyId, Plaintext: []byte("x"), EncryptionAlgorithm: oaep, EncryptionContext: map[string]string{"a": "1"}})
	refused(t, "context", err, "ValidationException", noContext)
	_, err = c.Decrypt(ctx, &kms.DecryptInput{KeyId: m.KeyId, CiphertextBlob: good, EncryptionAlgorithm: oaep, EncryptionContext: map[string]string{"a": "1"}})
	refused(t, "context", err, "ValidationException", noContext)

	// From a key pair to a symmetric key and back.
	to := must(c.ReEncrypt(ctx, &kms.ReEncryptInput{
		SourceKeyId: m.KeyId, CiphertextBlob: good, SourceEncryptionAlgorithm: oaep,
		DestinationKeyId: &symmetric, DestinationEncryptionContext: map[string]string{"a": "1"},
	}))
	if to.SourceEncryptionAlgorithm != oaep || to.DestinationEncryptionAlgorithm != "SYMMETRIC_DEFAULT" || to.SourceKeyMaterialId != nil || to.DestinationKeyMaterialId == nil {
		t.Errorf("re-encrypted: %+v", to)
	}
	back := must(c.ReEncrypt(ctx, &kms.ReEncryptInput{
		CiphertextBlob: to.CiphertextBlob, SourceEncryptionContext: map[string]string{"a": "1"},
		DestinationKeyId: m.KeyId, DestinationEncryptionAlgorithm: oaep,
	}))
	d := must(c.Decrypt(ctx, &kms.DecryptInput{KeyId: m.KeyId, CiphertextBlob: back.CiphertextBlob, EncryptionAlgorithm: oaep}))
	if string(d.Plaintext) != "x" {
		t.Errorf("came back as %q", d.Plaintext)
	}
}

// TestDeriveSharedSecret agrees with Go and OpenSSL.
func TestDeriveSharedSecret(t *testing.T) {
	kit := testkit.Start(t)
	ring := newKeyring(kit.KMS(region))
	for spec, is := range map[types.KeySpec]struct {
		curve ecdh.Curve
		name  string
	}{"ECC_NIST_P256": {ecdh.P256(), "P-256"}, "ECC_NIST_P384": {ecdh.P384(), "P-384"}, "ECC_NIST_P521": {ecdh.P521(), "P-521"}} {
		t.Run(string(spec), func(t *testing.T) {
			m := ring.key(t, spec, "KEY_AGREEMENT")
			spki := ring.public(t, m.KeyId)
			private := must(is.curve.GenerateKey(rand.Reader))
			peer := must(x509.MarshalPKIXPublicKey(private.PublicKey()))
			out := must(ring.c.DeriveSharedSecret(t.Context(), &kms.DeriveSharedSecretInput{KeyId: m.KeyId, KeyAgreementAlgorithm: "ECDH", PublicKey: peer}))
			own := must(x509.ParsePKIXPublicKey(spki)).(interface {
				ECDH() (*ecdh.PublicKey, error)
			})
			want := must(private.ECDH(must(own.ECDH())))
			if !bytes.Equal(out.SharedSecret, want) || *out.KeyId != *m.Arn || out.KeyOrigin != "AWS_KMS" || out.KeyAgreementAlgorithm != "ECDH" {
				t.Errorf("%+v, want secret %x", out, want)
			}
			pkcs8 := must(x509.MarshalPKCS8PrivateKey(private))
			text, err := openssl(t, map[string][]byte{"key": pkcs8, "peer": spki}, "pkeyutl", "-derive", "-keyform", "DER", "-inkey", "key",
				"-peerform", "DER", "-peerkey", "peer", "-hexdump")
			if err != nil || !bytes.Equal(hexdump(text), want) {
				t.Errorf("openssl: %s", text)
			}
		})
	}
	m := ring.key(t, "ECC_NIST_P256", "KEY_AGREEMENT")
	derive := func(in kms.DeriveSharedSecretInput) error {
		in.KeyAgreementAlgorithm = "ECDH"
		_, err := ring.c.DeriveSharedSecret(t.Context(), &in)
		return err
	}
	good := must(x509.MarshalPKIXPublicKey(must(ecdh.P256().GenerateKey(rand.Reader)).PublicKey()))
	off := bytes.Clone(good)
	off[len(off)-1] ^= 1
	for what, peer := range map[string][]byte{
		"of another curve": must(x509.MarshalPKIXPublicKey(must(ecdh.P384().GenerateKey(rand.Reader)).PublicKey())),
		"off the curve":    off, "cut": cut(good), "longer": append(bytes.Clone(good), 0), "a point only": good[26:], "RSA": ring.public(t, ring.key(t, "RSA_2048", "SIGN_VERIFY").KeyId),
	} {
		refused(t, what, derive(kms.DeriveSharedSecretInput{KeyId: m.KeyId, PublicKey: peer}), "ValidationException", "The public key is not a valid ECC_NIST_P256 public key")
	}
	signer := ring.key(t, "ECC_NIST_P256", "SIGN_VERIFY")
	refused(t, "signing key", derive(kms.DeriveSharedSecretInput{KeyId: signer.KeyId, PublicKey: good}), "InvalidKeyUsageException",
		*signer.Arn+" key usage is SIGN_VERIFY which is not valid for DeriveSharedSecret.")
	refused(t, "recipient", derive(kms.DeriveSharedSecretInput{KeyId: m.KeyId, PublicKey: good, Recipient: &types.RecipientInfo{}}), "UnsupportedOperationException", "Recipient")
	refused(t, "dry run", derive(kms.DeriveSharedSecretInput{KeyId: m.KeyId, PublicKey: good, DryRun: new(true)}), "DryRunOperationException", "would have succeeded")
	refused(t, "token", derive(kms.DeriveSharedSecretInput{KeyId: m.KeyId, PublicKey: good, GrantTokens: []string{"x"}}), "InvalidGrantTokenException", "")
}

// hexdump reads OpenSSL's dump: offset, bytes in hex, text.
func hexdump(text string) []byte {
	var all []byte
	for line := range strings.Lines(text) {
		_, rest, ok := strings.Cut(line, " - ")
		if !ok || len(rest) < 47 {
			continue
		}
		digits := strings.NewReplacer(" ", "", "-", "").Replace(strings.TrimSpace(rest[:47]))
		b, err := hex.DecodeString(digits)
		if err != nil {
			return nil
		}
		all = append(all, b...)
	}
	return all
}
