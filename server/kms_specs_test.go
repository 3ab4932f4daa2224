package server_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

// A specCase is a key spec with one of its usages and what DescribeKey says of it.
type specCase struct {
	spec       types.KeySpec
	usage      types.KeyUsageType
	algorithms []string
}

var rsaSigning = []string{
	"RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512",
	"RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512",
}

// specCases are all keys that a token can make, but the larger RSA ones only once:
// they take it seconds.
var specCases = []specCase{
	{"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", []string{"SYMMETRIC_DEFAULT"}},
	{"HMAC_224", "GENERATE_VERIFY_MAC", []string{"HMAC_SHA_224"}},
	{"HMAC_256", "GENERATE_VERIFY_MAC", []string{"HMAC_SHA_256"}},
	{"HMAC_384", "GENERATE_VERIFY_MAC", []string{"HMAC_SHA_384"}},
	{"HMAC_512", "GENERATE_VERIFY_MAC", []string{"HMAC_SHA_512"}},
	{"ECC_NIST_P256", "SIGN_VERIFY", []string{"ECDSA_SHA_256"}},
	{"ECC_NIST_P384", "SIGN_VERIFY", []string{"ECDSA_SHA_384"}},
	{"ECC_NIST_P521", "SIGN_VERIFY", []string{"ECDSA_SHA_512"}},
	{"ECC_SECG_P256K1", "SIGN_VERIFY", []string{"ECDSA_SHA_256"}},
	{"ECC_NIST_EDWARDS25519", "SIGN_VERIFY", []string{"ED25519_SHA_512"}},
	{"ECC_NIST_P256", "KEY_AGREEMENT", []string{"ECDH"}},
	{"ECC_NIST_P384", "KEY_AGREEMENT", []string{"ECDH"}},
	{"ECC_NIST_P521", "KEY_AGREEMENT", []string{"ECDH"}},
	{"RSA_2048", "SIGN_VERIFY", rsaSigning},
	{"RSA_2048", "ENCRYPT_DECRYPT", []string{"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"}},
	{"RSA_3072", "ENCRYPT_DECRYPT", []string{"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"}},
	{"RSA_4096", "SIGN_VERIFY", rsaSigning},
}

// A keyring makes keys when they are first asked for.
type keyring struct {
	c *kms.Client

	mu   sync.Mutex
	made map[string]*types.KeyMetadata
}

func newKeyring(c *kms.Client) *keyring {
	return &keyring{c: c, made: make(map[string]*types.KeyMetadata)}
}

func (r *keyring) key(t *testing.T, spec types.KeySpec, usage types.KeyUsageType) *types.KeyMetadata {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	name := string(spec) + " " + string(usage)
	if r.made[name] == nil {
		out, err := r.c.CreateKey(context.Background(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r.made[name] = out.KeyMetadata
	}
	return r.made[name]
}

// public is the SubjectPublicKeyInfo of a key.
func (r *keyring) public(t *testing.T, id *string) []byte {
	t.Helper()
	out, err := r.c.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: id})
	if err != nil {
		t.Fatal(err)
	}
	return out.PublicKey
}

// openssl runs the command in a directory of its own on files of those names, and
// returns what it printed.
func openssl(t *testing.T, files map[string][]byte, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return string(out), err
}

// TestKeySpecs: every spec with every usage is made, described as AWS does, and its
// public key given.
func TestKeySpecs(t *testing.T) {
	kit := testkit.Start(t)
	ring := newKeyring(kit.KMS(region))
	for _, is := range specCases {
		t.Run(string(is.spec)+" "+string(is.usage), func(t *testing.T) {
			m := ring.key(t, is.spec, is.usage)
			described, err := ring.c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: m.KeyId})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range []*types.KeyMetadata{m, described.KeyMetadata} {
				if got := algorithmsOf(m); !slices.Equal(got, is.algorithms) {
					t.Errorf("algorithms %v, want %v", got, is.algorithms)
				}
				if m.KeySpec != is.spec || string(m.CustomerMasterKeySpec) != string(is.spec) || m.KeyUsage != is.usage ||
					m.KeyState != "Enabled" || !m.Enabled || m.Origin != "AWS_KMS" || m.PendingDeletionWindowInDays != nil {
					t.Errorf("metadata %+v", m)
				}
				if (m.CurrentKeyMaterialId != nil) != (is.spec == "SYMMETRIC_DEFAULT") {
					t.Errorf("material id %v", m.CurrentKeyMaterialId)
				}
			}
			checkPublicKey(t, ring, m, is)
		})
	}
}

func algorithmsOf(m *types.KeyMetadata) (all []string) {
	for _, a := range m.EncryptionAlgorithms {
		all = append(all, string(a))
	}
	for _, a := range m.SigningAlgorithms {
		all = append(all, string(a))
	}
	for _, a := range m.MacAlgorithms {
		all = append(all, string(a))
	}
	for _, a := range m.KeyAgreementAlgorithms {
		all = append(all, string(a))
	}
	return all
}

func checkPublicKey(t *testing.T, ring *keyring, m *types.KeyMetadata, is specCase) {
	t.Helper()
	out, err := ring.c.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: m.KeyId})
	if !strings.HasPrefix(string(is.spec), "RSA") && !strings.HasPrefix(string(is.spec), "ECC") {
		refused(t, "no pair", err, "UnsupportedOperationException", "which is not valid for GetPublicKey.")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if *out.KeyId != *m.Arn || out.KeySpec != is.spec || string(out.CustomerMasterKeySpec) != string(is.spec) || out.KeyUsage != is.usage ||
		len(out.SigningAlgorithms)+len(out.EncryptionAlgorithms)+len(out.KeyAgreementAlgorithms) != len(is.algorithms) {
		t.Errorf("public key of %+v", out)
	}
	if is.spec != "ECC_SECG_P256K1" { // which package x509 does not know
		if _, err := x509.ParsePKIXPublicKey(out.PublicKey); err != nil {
			t.Error(err)
		}
	}
	if text, err := openssl(t, map[string][]byte{"pub": out.PublicKey}, "pkey", "-pubin", "-inform", "DER", "-in", "pub", "-noout", "-text"); err != nil {
		t.Errorf("openssl: %s", text)
	}
}

// TestKeySpecsRefused: combinations that no key has, and what the token lacks.
func TestKeySpecsRefused(t *testing.T) {
	kit := testkit.Start(t)
	c := kit.KMS(region)
	const unusable = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
	for _, is := range []struct {
		spec       types.KeySpec
		usage      types.KeyUsageType
		code, text string
	}{
		{"RSA_2048", "", "ValidationException", unusable},
		{"HMAC_256", "", "ValidationException", unusable},
		{"ECC_NIST_P256", "", "ValidationException", unusable},
		{"HMAC_256", "ENCRYPT_DECRYPT", "ValidationException", "KeyUsage ENCRYPT_DECRYPT is not compatible with KeySpec HMAC_256."},
		{"RSA_2048", "GENERATE_VERIFY_MAC", "ValidationException", "KeyUsage GENERATE_VERIFY_MAC is not compatible with KeySpec RSA_2048."},
		{"RSA_2048", "KEY_AGREEMENT", "ValidationException", "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048."},
		{"ECC_NIST_P256", "ENCRYPT_DECRYPT", "ValidationException", "KeyUsage ENCRYPT_DECRYPT is not compatible with KeySpec ECC_NIST_P256."},
		{"ECC_SECG_P256K1", "KEY_AGREEMENT", "ValidationException", "KeyUsage KEY_AGREEMENT is not compatible with KeySpec ECC_SECG_P256K1."},
		{"ECC_NIST_EDWARDS25519", "KEY_AGREEMENT", "ValidationException", "is not compatible with KeySpec ECC_NIST_EDWARDS25519."},
		{"SYMMETRIC_DEFAULT", "SIGN_VERIFY", "ValidationException", "KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT."},
		{"ML_DSA_44", "SIGN_VERIFY", "UnsupportedOperationException", "CKM_ML_DSA"},
		{"ML_DSA_65", "SIGN_VERIFY", "UnsupportedOperationException", "CKM_ML_DSA"},
		{"ML_DSA_87", "SIGN_VERIFY", "UnsupportedOperationException", "CKM_ML_DSA"},
		{"ML_KEM_512", "ENCAPSULATE_DECAPSULATE", "UnsupportedOperationException", "CKM_ML_KEM"},
		{"ML_KEM_768", "ENCAPSULATE_DECAPSULATE", "UnsupportedOperationException", "CKM_ML_KEM"},
		{"ML_KEM_1024", "ENCAPSULATE_DECAPSULATE", "UnsupportedOperationException", "CKM_ML_KEM"},
		{"SM2", "SIGN_VERIFY", "UnsupportedOperationException", "CKM_SM2"},
		{"ML_DSA_44", "ENCRYPT_DECRYPT", "ValidationException", "is not compatible with KeySpec ML_DSA_44."},
	} {
		_, err := c.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: is.spec, KeyUsage: is.usage})
		refused(t, string(is.spec)+" "+string(is.usage), err, is.code, is.text)
	}
	_, err := c.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: "HMAC_256", CustomerMasterKeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"})
	refused(t, "both members", err, "ValidationException", "You cannot specify KeySpec and CustomerMasterKeySpec in the same request.")
	old, err := c.CreateKey(t.Context(), &kms.CreateKeyInput{CustomerMasterKeySpec: "HMAC_384", KeyUsage: "GENERATE_VERIFY_MAC"})
	if err != nil || old.KeyMetadata.KeySpec != "HMAC_384" {
		t.Errorf("by the old member: %+v, %v", old, err)
	}
	if out, err := c.ListKeys(t.Context(), &kms.ListKeysInput{}); err != nil || len(out.Keys) != 1 {
		t.Errorf("refused keys are there: %d, %v", len(out.Keys), err)
	}
}

// cut shortens a byte string by one.
func cut(b []byte) []byte { return bytes.Clone(b[:len(b)-1]) }

// TestAliasKeepsKind: an alias moves between keys of one type and usage only.
func TestAliasKeepsKind(t *testing.T) {
	kit := testkit.Start(t)
	ring := newKeyring(kit.KMS(region))
	c, ctx := ring.c, t.Context()
	alias := new("alias/a")
	must(c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: alias, TargetKeyId: ring.key(t, "ECC_NIST_P256", "SIGN_VERIFY").KeyId}))
	must(c.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: alias, TargetKeyId: ring.key(t, "ECC_NIST_P384", "SIGN_VERIFY").KeyId}))
	for _, id := range []*string{
		new(kit.NewKey(region)), ring.key(t, "HMAC_256", "GENERATE_VERIFY_MAC").KeyId, ring.key(t, "ECC_NIST_P256", "KEY_AGREEMENT").KeyId,
	} {
		_, err := c.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: alias, TargetKeyId: id})
		refused(t, "of another kind", err, "ValidationException", "alias/a must be of the same type and key usage.")
	}
}
