package clients_test

import (
	"bytes"
	"crypto"
	"encoding/pem"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	sigkms "github.com/sigstore/sigstore/pkg/signature/kms"
	_ "github.com/sigstore/sigstore/pkg/signature/kms/aws" // the awskms scheme
	"github.com/sigstore/sigstore/pkg/signature/options"
)

// TestSigstore makes keys, signs digests and verifies, here and in keyd.
func TestSigstore(t *testing.T) {
	actAs(t, "kms:CreateKey", "kms:CreateAlias", "kms:DescribeKey", "kms:GetPublicKey", "kms:Sign", "kms:Verify")
	for _, spec := range []types.KeySpec{
		types.KeySpecEccNistP256, types.KeySpecEccNistP384, types.KeySpecEccNistP521, types.KeySpecRsa2048,
	} {
		t.Run(string(spec), func(t *testing.T) {
			alias := "alias/sigstore-" + strings.ReplaceAll(string(spec), "_", "-")
			signer, err := sigkms.Get(t.Context(), "awskms:///"+alias, crypto.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := signer.CreateKey(t.Context(), string(spec)); err != nil {
				t.Fatal(err)
			}
			sigstoreRound(t, signer, alias)
		})
	}
}

// sigstoreRound signs with a key and verifies.
func sigstoreRound(t *testing.T, signer sigkms.SignerVerifier, alias string) {
	message := []byte("sha256:attested")
	signature, err := signer.SignMessage(bytes.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	verify := func(message []byte, remote bool) error {
		return signer.VerifySignature(bytes.NewReader(signature), bytes.NewReader(message), options.WithRemoteVerification(remote))
	}
	for _, remote := range []bool{false, true} {
		if err := verify(message, remote); err != nil {
			t.Errorf("remote %t: %v", remote, err)
		}
	}
	refused(t, verify([]byte("sha256:other"), true), "KMSInvalidSignatureException")
	if verify([]byte("sha256:other"), false) == nil {
		t.Error("a signature over another message verifies")
	}
	disable(t, arnOf(t, alias))
	_, err = signer.SignMessage(bytes.NewReader(message))
	refused(t, err, "DisabledException")
}

// arnOf is the ARN of the key that an alias points to.
func arnOf(t *testing.T, alias string) string {
	t.Helper()
	out, err := keyd.kms.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String(alias)})
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// TestCosign makes a key with cosign, signs a file and verifies it, with nobody
// on the Internet asked.
func TestCosign(t *testing.T) {
	actAs(t, "kms:CreateKey", "kms:CreateAlias", "kms:DescribeKey", "kms:GetPublicKey", "kms:Sign")
	dir := t.TempDir()
	cosign := func(args ...string) string {
		return output(t, command(t, dir, program("cosign"), args...))
	}
	const key = "awskms:///alias/cosign"
	cosign("generate-key-pair", "--kms", key)
	cosign("signing-config", "create", "--out", "services.json") // none
	cosign("trusted-root", "create", "--out", "root.json")       // none
	write(t, filepath.Join(dir, "release.tar"), "contents")

	public := read(t, filepath.Join(dir, "cosign.pub"))
	if block, _ := pem.Decode([]byte(public)); block == nil || cosign("public-key", "--key", key) != public {
		t.Errorf("public key:\n%s", public)
	}
	sign := []string{"sign-blob", "--key", key, "--signing-config", "services.json", "--bundle", "bundle.json", "release.tar"}
	verify := func(key string) []string {
		return []string{"verify-blob", "--key", key, "--bundle", "bundle.json", "--trusted-root", "root.json", "--insecure-ignore-tlog", "release.tar"}
	}
	cosign(sign...)
	cosign(verify(key)...)
	cosign(verify("cosign.pub")...)

	write(t, filepath.Join(dir, "release.tar"), "other contents")
	fails(t, command(t, dir, program("cosign"), verify(key)...), "invalid signature")
	disable(t, arnOf(t, "alias/cosign"))
	fails(t, command(t, dir, program("cosign"), sign...), "DisabledException")
}
