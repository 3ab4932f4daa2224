package e2e_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"path/filepath"
	"testing"
	"time"

	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// TestScheduleAfterDowntime: what became due while the daemon was not running is
// made up for when it is back. Expired material is gone before the first request,
// a key that missed its rotations is rotated once, and every ciphertext of the time
// before is readable.
func TestScheduleAfterDowntime(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keyd")
	d := startDaemon(t, dir)
	c := d.kms(region)
	rotated := newKey(t, d)
	_, err := c.EnableKeyRotation(t.Context(), &kmsclient.EnableKeyRotationInput{KeyId: &rotated, RotationPeriodInDays: new(int32(90))})
	must(t, err)
	blobs := [][]byte{encrypt(t, d, rotated, []byte("x"))}
	_, err = c.RotateKeyOnDemand(t.Context(), &kmsclient.RotateKeyOnDemandInput{KeyId: &rotated})
	must(t, err)
	blobs = append(blobs, encrypt(t, d, rotated, []byte("x")))
	secret := bytes.Repeat([]byte{7}, 32)
	imported := importSecret(t, d, "", secret)
	expired := encrypt(t, d, imported, []byte("x"))
	d.kill()

	d = startDaemon(t, dir, "--clock-offset", "7200h") // 300 days: three rotations were missed
	c = d.kms(region)
	_, err = c.Decrypt(t.Context(), &kmsclient.DecryptInput{CiphertextBlob: expired})
	if !hasCode(err, "KMSInvalidStateException") {
		t.Errorf("first request under expired material: %v", err)
	}
	var all []types.RotationsListEntry
	until(t, "the key is not rotated", func() bool {
		out, err := c.ListKeyRotations(t.Context(), &kmsclient.ListKeyRotationsInput{
			KeyId: &rotated, IncludeKeyMaterial: types.IncludeKeyMaterialAllKeyMaterial})
		must(t, err)
		all = out.Rotations
		return len(all) > 2
	})
	blobs = append(blobs, encrypt(t, d, rotated, []byte("x")))
	for i, blob := range blobs {
		out, err := c.Decrypt(t.Context(), &kmsclient.DecryptInput{CiphertextBlob: blob})
		must(t, err)
		if len(all) != 3 || *out.KeyMaterialId != *all[i].KeyMaterialId {
			t.Errorf("ciphertext %d under %s of %d materials", i, *out.KeyMaterialId, len(all))
		}
	}
	importSecret(t, d, imported, secret)
	_, err = c.Decrypt(t.Context(), &kmsclient.DecryptInput{CiphertextBlob: expired})
	must(t, err)
	must(t, d.stop())
}

// importSecret imports material that lives for ten days, into a new key or again,
// and returns the key's id.
func importSecret(t *testing.T, d *daemon, key string, secret []byte) string {
	t.Helper()
	c, ctx := d.kms(region), t.Context()
	in := &kmsclient.ImportKeyMaterialInput{KeyId: &key, ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire}
	if key == "" {
		made, err := c.CreateKey(ctx, &kmsclient.CreateKeyInput{Origin: types.OriginTypeExternal})
		must(t, err)
		in.KeyId = made.KeyMetadata.KeyId
		in.ExpirationModel, in.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, new(time.Now().Add(240*time.Hour))
	}
	p, err := c.GetParametersForImport(ctx, &kmsclient.GetParametersForImportInput{
		KeyId: in.KeyId, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha1, WrappingKeySpec: types.WrappingKeySpecRsa2048})
	must(t, err)
	public, err := x509.ParsePKIXPublicKey(p.PublicKey)
	must(t, err)
	in.ImportToken = p.ImportToken
	in.EncryptedKeyMaterial, err = rsa.EncryptOAEP(sha1.New(), rand.Reader, public.(*rsa.PublicKey), secret, nil)
	must(t, err)
	_, err = c.ImportKeyMaterial(ctx, in)
	must(t, err)
	return *in.KeyId
}
