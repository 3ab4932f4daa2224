package server_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

// opensslOut runs the command and returns what it wrote.
func opensslOut(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl %v: %v: %s", args, err, stderr.Bytes())
	}
	return out
}

// sealOAEP encrypts as AWS's page "Encrypt the key material" has it done.
func sealOAEP(t *testing.T, p *kms.GetParametersForImportOutput, hash string, material []byte) []byte {
	t.Helper()
	public := filepath.Join(t.TempDir(), "wrapping-public.der")
	if err := os.WriteFile(public, p.PublicKey, 0o600); err != nil {
		t.Fatal(err)
	}
	return opensslOut(t, material, "pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", public,
		"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:"+hash, "-pkeyopt", "rsa_mgf1_md:"+hash)
}

// seal encrypts key material by the wrapping algorithm that p is for.
func seal(t *testing.T, p *kms.GetParametersForImportOutput, a types.AlgorithmSpec, material []byte) []byte {
	t.Helper()
	hash := "sha1"
	if strings.HasSuffix(string(a), "SHA_256") {
		hash = "sha256"
	}
	if strings.HasPrefix(string(a), "RSAES") {
		return sealOAEP(t, p, hash, material)
	}
	kek := opensslOut(t, nil, "rand", "32")
	body := opensslOut(t, material, "enc", "-id-aes256-wrap-pad", "-K", hex.EncodeToString(kek), "-iv", "A65959A6")
	return append(sealOAEP(t, p, hash, kek), body...)
}

// an importer imports material into keys of one kit.
type importer struct {
	t   *testing.T
	kit *testkit.Kit
	c   *kms.Client
}

func newImporter(t *testing.T) *importer {
	kit := testkit.Start(t)
	return &importer{t: t, kit: kit, c: kit.KMS(region)}
}

// key makes a key without material.
func (i *importer) key(spec types.KeySpec, usage types.KeyUsageType) string {
	i.t.Helper()
	m := must(i.c.CreateKey(i.t.Context(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage, Origin: types.OriginTypeExternal})).KeyMetadata
	if m.KeyState != types.KeyStatePendingImport || m.Enabled || m.Origin != types.OriginTypeExternal || m.ExpirationModel != "" || m.CurrentKeyMaterialId != nil {
		i.t.Fatalf("new key: %+v", m)
	}
	return *m.KeyId
}

func (i *importer) symmetric() string {
	return i.key(types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt)
}

func (i *importer) parameters(id string, a types.AlgorithmSpec, w types.WrappingKeySpec) *kms.GetParametersForImportOutput {
	i.t.Helper()
	p, err := i.c.GetParametersForImport(i.t.Context(), &kms.GetParametersForImportInput{KeyId: &id, WrappingAlgorithm: a, WrappingKeySpec: w})
	if err != nil {
		i.t.Fatal(err)
	}
	if !strings.HasSuffix(*p.KeyId, ":key/"+id) || p.ParametersValidTo.Sub(i.kit.Now()) > day || p.ParametersValidTo.Sub(i.kit.Now()) < day-time.Hour {
		i.t.Errorf("parameters of %s valid to %s", *p.KeyId, p.ParametersValidTo)
	}
	return p
}

// input is an ImportKeyMaterial call that has everything right.
func (i *importer) input(id string, material []byte) *kms.ImportKeyMaterialInput {
	i.t.Helper()
	p := i.parameters(id, types.AlgorithmSpecRsaesOaepSha1, types.WrappingKeySpecRsa2048)
	return &kms.ImportKeyMaterialInput{
		KeyId: &id, ImportToken: p.ImportToken, EncryptedKeyMaterial: seal(i.t, p, types.AlgorithmSpecRsaesOaepSha1, material),
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}
}

func (i *importer) do(in *kms.ImportKeyMaterialInput) (*kms.ImportKeyMaterialOutput, error) {
	return i.c.ImportKeyMaterial(i.t.Context(), in)
}

func (i *importer) describe(id string) *types.KeyMetadata {
	i.t.Helper()
	return must(i.c.DescribeKey(i.t.Context(), &kms.DescribeKeyInput{KeyId: &id})).KeyMetadata
}

// encrypt uses a symmetric encryption key.
func (i *importer) encrypt(id string) ([]byte, error) {
	out, err := i.c.Encrypt(i.t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})
	if err != nil {
		return nil, err
	}
	return out.CiphertextBlob, nil
}

// idOf is the key material id of imported material, by docs/spec/import-token.md.
func idOf(id string, material []byte) string {
	h := hmac.New(sha256.New, material)
	h.Write([]byte("\x00\x00\x00\x01keyd:v1:material-id\x00" + id + "\x00\x00\x01\x00"))
	return hex.EncodeToString(h.Sum(nil))
}

var (
	directly = []types.AlgorithmSpec{types.AlgorithmSpecRsaesOaepSha1, types.AlgorithmSpecRsaesOaepSha256}
	wrapped  = []types.AlgorithmSpec{types.AlgorithmSpecRsaAesKeyWrapSha1, types.AlgorithmSpecRsaAesKeyWrapSha256}
)

// TestImportRoundTrip: what OpenSSL made and wrapped is what the key works with, for
// every kind of key and every way to wrap it.
func TestImportRoundTrip(t *testing.T) {
	i := newImporter(t)
	for _, tc := range []struct {
		spec  types.KeySpec
		usage types.KeyUsageType
		make  []string // openssl's arguments
		ways  []types.AlgorithmSpec
		with  types.WrappingKeySpec
	}{
		{"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", []string{"rand", "32"}, directly, "RSA_2048"},
		{"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", []string{"rand", "32"}, directly[1:], "RSA_3072"},
		{"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", []string{"rand", "32"}, directly[:1], "RSA_4096"},
		{"HMAC_224", "GENERATE_VERIFY_MAC", []string{"rand", "28"}, directly, "RSA_2048"},
		{"HMAC_256", "GENERATE_VERIFY_MAC", []string{"rand", "32"}, directly, "RSA_2048"},
		{"HMAC_384", "GENERATE_VERIFY_MAC", []string{"rand", "48"}, directly, "RSA_2048"},
		{"HMAC_512", "GENERATE_VERIFY_MAC", []string{"rand", "64"}, directly, "RSA_2048"},
		{"RSA_2048", "SIGN_VERIFY", rsaKey("2048"), wrapped, "RSA_2048"},
		{"RSA_3072", "ENCRYPT_DECRYPT", rsaKey("3072"), wrapped[1:], "RSA_2048"},
		{"RSA_4096", "ENCRYPT_DECRYPT", rsaKey("4096"), wrapped[1:], "RSA_4096"},
		{"ECC_NIST_P256", "SIGN_VERIFY", ecKey("P-256"), slices.Concat(directly, wrapped), "RSA_2048"},
		{"ECC_NIST_P384", "KEY_AGREEMENT", ecKey("P-384"), slices.Concat(directly, wrapped), "RSA_3072"},
		{"ECC_NIST_P521", "SIGN_VERIFY", ecKey("P-521"), slices.Concat(directly, wrapped), "RSA_3072"},
		{"ECC_SECG_P256K1", "SIGN_VERIFY", ecKey("secp256k1"), slices.Concat(directly, wrapped), "RSA_2048"},
	} {
		for _, a := range tc.ways {
			t.Run(string(tc.spec)+" "+string(tc.usage)+" "+string(a), func(t *testing.T) {
				i := &importer{t: t, kit: i.kit, c: i.c}
				id := i.key(tc.spec, tc.usage)
				material := generate(t, tc.make)
				p := i.parameters(id, a, tc.with)
				_, err := i.do(&kms.ImportKeyMaterialInput{
					KeyId: &id, ImportToken: p.ImportToken, EncryptedKeyMaterial: seal(t, p, a, material),
					ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
				})
				if err != nil {
					t.Fatal(err)
				}
				if m := i.describe(id); m.KeyState != types.KeyStateEnabled || !m.Enabled || m.ExpirationModel != types.ExpirationModelTypeKeyMaterialDoesNotExpire || m.ValidTo != nil {
					t.Errorf("after the import: %+v", m)
				}
				i.works(id, tc.usage, material)
			})
		}
	}
}

func rsaKey(bits string) []string {
	return []string{"genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:" + bits}
}

func ecKey(curve string) []string {
	return []string{"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve}
}

// generate makes a secret, or a private key in PKCS #8.
func generate(t *testing.T, args []string) []byte {
	t.Helper()
	out := opensslOut(t, nil, args...)
	if args[0] == "genpkey" {
		out = opensslOut(t, out, "pkcs8", "-topk8", "-nocrypt", "-outform", "DER")
	}
	return out
}

// works uses the key and checks the outcome with the material outside.
func (i *importer) works(id string, usage types.KeyUsageType, material []byte) {
	t, ctx := i.t, i.t.Context()
	t.Helper()
	spec := i.describe(id).KeySpec
	switch {
	case spec == types.KeySpecSymmetricDefault:
		d := must(i.c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: must(i.encrypt(id))}))
		if *d.KeyMaterialId != idOf(id, material) {
			t.Errorf("material %s, want %s", *d.KeyMaterialId, idOf(id, material))
		}
		return
	case usage == types.KeyUsageTypeGenerateVerifyMac:
		a := types.MacAlgorithmSpec("HMAC_SHA_" + strings.TrimPrefix(string(spec), "HMAC_"))
		out := must(i.c.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &id, MacAlgorithm: a, Message: []byte("m")}))
		mac := opensslOut(t, []byte("m"), "mac", "-digest", "SHA"+strings.TrimPrefix(string(spec), "HMAC_"),
			"-macopt", "hexkey:"+hex.EncodeToString(material), "-in", "-", "-binary", "HMAC")
		if !bytes.Equal(out.Mac, mac) {
			t.Errorf("MAC %x, want %x", out.Mac, mac)
		}
		return
	}
	private := filepath.Join(t.TempDir(), "private.der")
	if err := os.WriteFile(private, material, 0o600); err != nil {
		t.Fatal(err)
	}
	public := must(i.c.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &id})).PublicKey
	if want := opensslOut(t, nil, "pkey", "-inform", "DER", "-in", private, "-pubout", "-outform", "DER"); !bytes.Equal(public, want) {
		t.Errorf("public key %x, want %x", public, want)
	}
	i.worksAsPair(id, usage, private, public)
}

func (i *importer) worksAsPair(id string, usage types.KeyUsageType, private string, public []byte) {
	t, ctx := i.t, i.t.Context()
	t.Helper()
	file := filepath.Join(t.TempDir(), "public.der")
	if err := os.WriteFile(file, public, 0o600); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("m"))
	switch m := i.describe(id); usage {
	case types.KeyUsageTypeSignVerify:
		a := m.SigningAlgorithms[0]
		message := digest[:]
		hash := "SHA" + string(a[len(a)-3:])
		out := must(i.c.Sign(ctx, &kms.SignInput{KeyId: &id, SigningAlgorithm: a, Message: message}))
		signature := filepath.Join(t.TempDir(), "signature")
		if err := os.WriteFile(signature, out.Signature, 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"dgst", "-" + hash, "-keyform", "DER", "-verify", file, "-signature", signature}
		if strings.HasPrefix(string(a), "RSASSA_PSS") {
			args = append(args, "-sigopt", "rsa_padding_mode:pss")
		}
		opensslOut(t, message, args...)
	case types.KeyUsageTypeEncryptDecrypt:
		sealed := opensslOut(t, []byte("x"), "pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", file, "-pkeyopt", "rsa_padding_mode:oaep")
		d := must(i.c.Decrypt(ctx, &kms.DecryptInput{KeyId: &id, CiphertextBlob: sealed, EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha1}))
		if string(d.Plaintext) != "x" {
			t.Errorf("decrypted %q", d.Plaintext)
		}
	case types.KeyUsageTypeKeyAgreement:
		out := must(i.c.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{KeyId: &id, KeyAgreementAlgorithm: "ECDH", PublicKey: public}))
		want := opensslOut(t, nil, "pkeyutl", "-derive", "-keyform", "DER", "-inkey", private, "-peerkey", file, "-peerform", "DER")
		if !bytes.Equal(out.SharedSecret, want) {
			t.Errorf("shared secret %x, want %x", out.SharedSecret, want)
		}
	}
}

// TestImportRefuses: whatever is wrong with the token or the material has AWS's
// exception and leaves the key as it was.
func TestImportRefuses(t *testing.T) {
	i := newImporter(t)
	id, other := i.symmetric(), i.symmetric()
	p256 := i.key("ECC_NIST_P256", "SIGN_VERIFY")
	rsa2048 := i.key("RSA_2048", "SIGN_VERIFY")
	good := make([]byte, 32)
	p := i.parameters(id, types.AlgorithmSpecRsaesOaepSha1, types.WrappingKeySpecRsa2048)
	q := i.parameters(id, types.AlgorithmSpecRsaesOaepSha256, types.WrappingKeySpecRsa2048)
	w := i.parameters(rsa2048, types.AlgorithmSpecRsaAesKeyWrapSha1, types.WrappingKeySpecRsa2048)
	mac := i.key("HMAC_224", "GENERATE_VERIFY_MAC")
	h := i.parameters(mac, types.AlgorithmSpecRsaesOaepSha1, types.WrappingKeySpecRsa2048)
	ec := i.parameters(p256, types.AlgorithmSpecRsaAesKeyWrapSha256, types.WrappingKeySpecRsa2048)
	flipped := bytes.Clone(p.ImportToken)
	flipped[len(flipped)/2] ^= 1
	oaep := func(p *kms.GetParametersForImportOutput, hash string, n int) []byte {
		return sealOAEP(t, p, hash, make([]byte, n))
	}
	sealed := oaep(p, "sha1", 32)
	wrappedEC := func(args []string) []byte {
		return seal(t, ec, types.AlgorithmSpecRsaAesKeyWrapSha256, generate(t, args))
	}
	const envelope, material, token = "InvalidCiphertextException", "IncorrectKeyMaterialException", "InvalidImportTokenException"
	for _, tc := range []struct {
		name          string
		id            string
		token, sealed []byte
		code          string
	}{
		{"token changed", id, flipped, sealed, token},
		{"token cut short", id, p.ImportToken[:40], sealed, token},
		{"token of nothing", id, []byte{1}, sealed, token},
		{"token of another key", other, p.ImportToken, sealed, token},
		{"token of another pair", id, p.ImportToken, sealOAEP(t, q, "sha1", good), envelope},
		{"other hash", id, p.ImportToken, oaep(p, "sha256", 32), envelope},
		{"other hash, reversed", id, q.ImportToken, oaep(q, "sha1", 32), envelope},
		{"truncated", id, p.ImportToken, sealed[:255], envelope},
		{"one byte", id, p.ImportToken, []byte{1}, envelope},
		{"oversized", id, p.ImportToken, append(bytes.Clone(sealed), 0), envelope},
		{"more than the modulus", id, p.ImportToken, bytes.Repeat([]byte{255}, 256), envelope},
		{"more than the modulus, SHA-256", id, q.ImportToken, bytes.Repeat([]byte{255}, 256), envelope},
		{"not encrypted", id, q.ImportToken, bytes.Repeat([]byte{1}, 256), envelope},
		{"31 bytes", id, p.ImportToken, oaep(p, "sha1", 31), material},
		{"33 bytes", id, p.ImportToken, oaep(p, "sha1", 33), material},
		{"16 bytes, SHA-256", id, q.ImportToken, oaep(q, "sha256", 16), material},
		{"64 bytes, SHA-256", id, q.ImportToken, oaep(q, "sha256", 64), material},
		{"27 bytes", mac, h.ImportToken, oaep(h, "sha1", 27), material},
		{"32 bytes for 28", mac, h.ImportToken, oaep(h, "sha1", 32), material},
		{"no body", rsa2048, w.ImportToken, oaep(w, "sha1", 32), envelope},
		{"short AES key", rsa2048, w.ImportToken, append(oaep(w, "sha1", 16), make([]byte, 40)...), envelope},
		{"short AES key, SHA-256", p256, ec.ImportToken, append(oaep(ec, "sha256", 16), make([]byte, 40)...), envelope},
		{"broken body", rsa2048, w.ImportToken, append(oaep(w, "sha1", 32), make([]byte, 40)...), envelope},
		{"body of no blocks", rsa2048, w.ImportToken, append(oaep(w, "sha1", 32), make([]byte, 41)...), envelope},
		{"tiny body", rsa2048, w.ImportToken, append(oaep(w, "sha1", 32), 1), envelope},
		{"2,000 bytes wrapped", rsa2048, w.ImportToken, seal(t, w, types.AlgorithmSpecRsaAesKeyWrapSha1, make([]byte, 2000)), material},
		{"other curve", p256, ec.ImportToken, wrappedEC(ecKey("P-384")), material},
		{"other curve of that length", p256, ec.ImportToken, wrappedEC(ecKey("secp256k1")), material},
		{"RSA for a curve", p256, ec.ImportToken, wrappedEC(rsaKey("2048")), material},
		{"not PKCS #8", p256, ec.ImportToken, wrappedEC([]string{"rand", "138"}), material},
		{"PKCS #8 cut short", p256, ec.ImportToken, seal(t, ec, types.AlgorithmSpecRsaAesKeyWrapSha256, generate(t, ecKey("P-256"))[:100]), material},
		{"curve for RSA", rsa2048, w.ImportToken, seal(t, w, types.AlgorithmSpecRsaAesKeyWrapSha1, generate(t, ecKey("P-256"))), material},
		{"short modulus", rsa2048, w.ImportToken, seal(t, w, types.AlgorithmSpecRsaAesKeyWrapSha1, generate(t, rsaKey("1024"))), material},
		{"long modulus", rsa2048, w.ImportToken, seal(t, w, types.AlgorithmSpecRsaAesKeyWrapSha1, generate(t, rsaKey("3072"))), material},
	} {
		before := recordsOf(t, i.kit, tc.id)
		_, err := i.do(&kms.ImportKeyMaterialInput{
			KeyId: &tc.id, ImportToken: tc.token, EncryptedKeyMaterial: tc.sealed,
			ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
		})
		refused(t, tc.name, err, tc.code, "key")
		if after := recordsOf(t, i.kit, tc.id); !slices.Equal(after, before) || i.describe(tc.id).KeyState != types.KeyStatePendingImport {
			t.Errorf("%s: the key was changed: %v, before %v", tc.name, after, before)
		}
	}
	i.kit.Offset.Store(int64(day + time.Minute))
	_, err := i.do(&kms.ImportKeyMaterialInput{KeyId: &id, ImportToken: p.ImportToken, EncryptedKeyMaterial: sealed, ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE"})
	refused(t, "after 24 hours", err, "ExpiredImportTokenException", "expired")
	i.kit.Offset.Store(int64(day - time.Minute))
	must(i.do(&kms.ImportKeyMaterialInput{KeyId: &id, ImportToken: p.ImportToken, EncryptedKeyMaterial: sealed, ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE"}))
}
