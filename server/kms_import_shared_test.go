package server_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/internal/testkit"
	keys "github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/store"
)

// multiRegion makes a multi-Region key in homeRegion.
func multiRegion(t *testing.T, kit *testkit.Kit, origin types.OriginType) string {
	t.Helper()
	return *must(kit.KMS(homeRegion).CreateKey(t.Context(), &kms.CreateKeyInput{MultiRegion: new(true), Origin: origin})).KeyMetadata.KeyId
}

// TestRotationOfRelatedKeys: related keys are rotated with their primary, which
// alone can be asked for it.
func TestRotationOfRelatedKeys(t *testing.T) {
	kit := testkit.Start(t)
	home, west, ctx := kit.KMS(homeRegion), kit.KMS(westRegion), t.Context()
	id := multiRegion(t, kit, "")
	must(replicate(kit, id, westRegion))
	must(home.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id, RotationPeriodInDays: new(int32(90))}))
	if s := rotationStatus(t, west, id); !s.KeyRotationEnabled || *s.RotationPeriodInDays != 90 {
		t.Errorf("status of the replica: %+v", s)
	}
	for name, err := range map[string]error{
		"EnableKeyRotation":  errOf(west.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id})),
		"DisableKeyRotation": errOf(west.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: &id})),
		"RotateKeyOnDemand":  errOf(west.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id})),
	} {
		refused(t, name, err, "UnsupportedOperationException", "is a multi-Region replica key")
	}
	old := must(west.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})).CiphertextBlob
	sweepAt(t, kit, 91*day)
	must(home.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id}))
	must(home.UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: &id, PrimaryRegion: new(westRegion)}))
	sweepAt(t, kit, 200*day)
	if l := rotations(t, home, id, ""); len(l) != 3 {
		t.Errorf("rotations: %+v", l)
	}
	current := *must(home.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})).KeyMetadata.CurrentKeyMaterialId
	d := must(home.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: must(west.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})).CiphertextBlob}))
	if *d.KeyMaterialId != current {
		t.Errorf("material %s in %s, %s in %s", current, homeRegion, *d.KeyMaterialId, westRegion)
	}
	must(home.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: old}))
}

// TestImportIntoRelatedKeys: related keys share what is imported, and lose it
// together.
func TestImportIntoRelatedKeys(t *testing.T) {
	kit := testkit.Start(t)
	i := &importer{t: t, kit: kit, c: kit.KMS(homeRegion)}
	id := multiRegion(t, kit, types.OriginTypeExternal)
	i.imports(i.input(id, secret(1)))
	must(replicate(kit, id, westRegion))
	w := &importer{t: t, kit: kit, c: kit.KMS(westRegion)}
	w.state(id, types.KeyStateEnabled)
	blob := must(i.encrypt(id))
	in := w.input(id, secret(2))
	in.ImportType = types.ImportTypeNewKeyMaterial
	_, err := w.do(in)
	refused(t, "new material into a replica", err, "UnsupportedOperationException", "import new key material into its primary key")
	in = w.input(id, secret(1))
	in.ExpirationModel, in.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, new(time.Now().Add(day))
	w.imports(in)
	sweepAt(t, kit, 2*day)
	i.state(id, types.KeyStatePendingImport)
	w.state(id, types.KeyStatePendingImport)
	i.imports(i.input(id, secret(1)))
	must(w.c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob}))
	token := w.input(id, secret(1)) // of the replica: another key's for the primary
	_, err = i.do(token)
	refused(t, "token of a related key", err, "InvalidImportTokenException", "different KMS key")
}

// TestFsckDue: the check of records misses no entry of the schedule, and none too
// many.
func TestFsckDue(t *testing.T) {
	i := newImporter(t)
	id, rotated := i.symmetric(), i.kit.NewKey(region)
	in := i.input(id, secret(1))
	in.ExpirationModel, in.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, new(time.Now().Add(day))
	i.imports(in)
	must(i.c.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: &rotated}))
	for index, of := range map[string]string{"kms/expiry/": id, "kms/rotation/": rotated} {
		paths := recordsUnder(t, i.kit, index)
		if len(paths) != 1 || !strings.Contains(paths[0], of) {
			t.Fatalf("%s: %v", index, paths)
		}
		change := func(delete, put string) {
			t.Helper()
			err := i.kit.DB.Update(t.Context(), func(tx store.Tx) error {
				if err := tx.Delete(delete); err != nil {
					return err
				}
				return tx.Put(put, nil)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		moved := strings.Replace(paths[0], "-", "", 1)
		change(paths[0], moved)
		var problems []string
		err := i.kit.DB.View(t.Context(), func(tx store.Tx) error {
			problems = keys.Fsck(tx)
			return nil
		})
		if all := strings.Join(problems, "\n"); err != nil || !strings.Contains(all, "no key is to be") ||
			!strings.Contains(all, "malformed") || !strings.Contains(all, "record "+paths[0]+" is missing") {
			t.Errorf("%s: problems %q, %v", index, problems, err)
		}
		change(moved, paths[0])
	}
}

// closedToken is a token that counts what the host decrypts with it.
type closedToken struct {
	hsm.Token
	decrypted atomic.Int64
}

func (c *closedToken) Decrypt(ctx context.Context, k hsm.Key, ciphertext []byte) ([]byte, error) {
	c.decrypted.Add(1)
	return c.Token.Decrypt(ctx, k, ciphertext)
}

// TestImportInTheToken: what docs/spec/import-token.md says passes through the token
// only is never decrypted for the host.
func TestImportInTheToken(t *testing.T) {
	var token *closedToken
	kit := testkit.Start(t, testkit.WithToken(func(of hsm.Token) hsm.Token {
		token = &closedToken{Token: of}
		return token
	}))
	i := &importer{t: t, kit: kit, c: kit.KMS(region)}
	for _, tc := range []struct {
		spec  types.KeySpec
		usage types.KeyUsageType
		a     types.AlgorithmSpec
		make  []string
		calls int64
	}{
		{"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", types.AlgorithmSpecRsaesOaepSha1, []string{"rand", "32"}, 0},
		{"HMAC_512", "GENERATE_VERIFY_MAC", types.AlgorithmSpecRsaesOaepSha1, []string{"rand", "64"}, 0},
		{"RSA_2048", "SIGN_VERIFY", types.AlgorithmSpecRsaAesKeyWrapSha1, rsaKey("2048"), 0},
		{"ECC_NIST_P256", "SIGN_VERIFY", types.AlgorithmSpecRsaAesKeyWrapSha1, ecKey("P-256"), 0},
		{"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", types.AlgorithmSpecRsaesOaepSha256, []string{"rand", "32"}, 1},
	} {
		id := i.key(tc.spec, tc.usage)
		p := i.parameters(id, tc.a, "RSA_2048")
		before := token.decrypted.Load()
		must(i.do(&kms.ImportKeyMaterialInput{
			KeyId: &id, ImportToken: p.ImportToken, EncryptedKeyMaterial: seal(t, p, tc.a, generate(t, tc.make)),
			ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
		}))
		if n := token.decrypted.Load() - before; n != tc.calls {
			t.Errorf("%s by %s: decrypted %d times for the host, want %d", tc.spec, tc.a, n, tc.calls)
		}
	}
}

// TestImportTakesFromPool: a pair made in advance carries material once, and is in
// the pool no longer.
func TestImportTakesFromPool(t *testing.T) {
	kit := testkit.Start(t, testkit.WithRSAPool(1))
	i := &importer{t: t, kit: kit, c: kit.KMS(region)}
	for range 3 { // RSA_2048, 3072 and 4096
		if err := kit.Service.AddToPool(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	before := recordsUnder(t, kit, "kms/pool/")
	first, second := i.input(i.symmetric(), secret(1)), i.input(i.symmetric(), secret(1))
	if after := recordsUnder(t, kit, "kms/pool/"); len(before) != 3 || len(after) != 2 {
		t.Errorf("pool before %v, after %v", before, after)
	}
	i.imports(first)
	i.imports(second)
	i.works(*first.KeyId, "ENCRYPT_DECRYPT", secret(1))
}
