package server_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/store"
)

func secret(fill byte) []byte { return bytes.Repeat([]byte{fill}, 32) }

// imports imports and fails the test if that is refused.
func (i *importer) imports(in *kms.ImportKeyMaterialInput) string {
	i.t.Helper()
	out, err := i.do(in)
	if err != nil {
		i.t.Fatal(err)
	}
	return *out.KeyMaterialId
}

func (i *importer) deletes(id, material string) {
	i.t.Helper()
	in := &kms.DeleteImportedKeyMaterialInput{KeyId: &id}
	if material != "" {
		in.KeyMaterialId = &material
	}
	must(i.c.DeleteImportedKeyMaterial(i.t.Context(), in))
}

func (i *importer) state(id string, want types.KeyState) {
	i.t.Helper()
	if got := i.describe(id).KeyState; got != want {
		i.t.Errorf("state %s, want %s", got, want)
	}
}

// TestImportAgain: after deletion the same material brings the key back, with all
// its ciphertexts, and no other material does.
func TestImportAgain(t *testing.T) {
	i := newImporter(t)
	id := i.symmetric()
	_, err := i.encrypt(id)
	refused(t, "without material", err, "KMSInvalidStateException", ":key/"+id+" is pending import.")
	first := i.imports(i.input(id, secret(1)))
	if first != idOf(id, secret(1)) || *i.describe(id).CurrentKeyMaterialId != first {
		t.Errorf("material %s", first)
	}
	blob := must(i.encrypt(id))
	out := must(i.c.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &id}))
	if *out.KeyMaterialId != first {
		t.Errorf("deleted %s", *out.KeyMaterialId)
	}
	i.state(id, types.KeyStatePendingImport)
	if m := i.describe(id); m.Enabled || m.ExpirationModel != "" {
		t.Errorf("without material: %+v", m)
	}
	_, err = i.c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob})
	refused(t, "deleted", err, "KMSInvalidStateException", "is pending import.")
	i.deletes(id, "") // once more has no effect
	_, err = i.do(i.input(id, secret(2)))
	refused(t, "other material", err, "IncorrectKeyMaterialException", "previously imported")
	in := i.input(id, secret(1))
	in.KeyMaterialId = new(idOf(id, secret(2)))
	_, err = i.do(in)
	refused(t, "other id", err, "IncorrectKeyMaterialException", "ID")
	in.ImportType = types.ImportTypeNewKeyMaterial
	_, err = i.do(in)
	refused(t, "id of new material", err, "ValidationException", "KeyMaterialId")
	in.KeyMaterialId = nil
	_, err = i.do(in)
	refused(t, "known as new", err, "IncorrectKeyMaterialException", "was previously imported")
	i.state(id, types.KeyStatePendingImport)
	in.ImportType, in.KeyMaterialId = types.ImportTypeExistingKeyMaterial, &first
	i.imports(in)
	i.state(id, types.KeyStateEnabled)
	must(i.c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob}))
	mac := i.key("HMAC_256", "GENERATE_VERIFY_MAC")
	if out := must(i.do(i.input(mac, secret(1)))); out.KeyMaterialId != nil {
		t.Errorf("id of HMAC material %s", *out.KeyMaterialId)
	}
	in = i.input(mac, secret(2))
	in.ImportType = types.ImportTypeNewKeyMaterial
	_, err = i.do(in)
	refused(t, "new HMAC material", err, "IncorrectKeyMaterialException", "cannot be changed")
	i.deletes(mac, "")
	_, err = i.do(i.input(mac, secret(2)))
	refused(t, "other HMAC material", err, "IncorrectKeyMaterialException", "previously imported")
	must(i.do(i.input(mac, secret(1))))
	i.state(mac, types.KeyStateEnabled)
}

// TestImportExpires: material is gone at its time and not before, also when that
// passed while nobody looked, and comes back by another import.
func TestImportExpires(t *testing.T) {
	i := newImporter(t)
	id, kept := i.symmetric(), i.symmetric()
	in := i.input(id, secret(1))
	in.ExpirationModel = ""
	_, err := i.do(in)
	refused(t, "no date", err, "ValidationException", "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
	for _, at := range []time.Time{time.Now().Add(-time.Minute), time.Now().Add(366 * day)} {
		in.ValidTo = &at
		_, err = i.do(in)
		refused(t, at.String(), err, "ValidationException", "ValidTo must be in the future, and at most 365 days from now.")
	}
	at := time.Now().Add(10 * day).Truncate(time.Millisecond)
	in.ValidTo, in.ExpirationModel = &at, types.ExpirationModelTypeKeyMaterialDoesNotExpire
	_, err = i.do(in)
	refused(t, "date without need", err, "ValidationException", "validTo")
	in.ExpirationModel = types.ExpirationModelTypeKeyMaterialExpires
	material := i.imports(in)
	if m := i.describe(id); m.ExpirationModel != types.ExpirationModelTypeKeyMaterialExpires || !m.ValidTo.Equal(at) {
		t.Errorf("expiring: %+v", m)
	}
	i.imports(i.input(kept, secret(1)))
	blob := must(i.encrypt(id))
	sweepAt(t, i.kit, 10*day-time.Minute)
	i.state(id, types.KeyStateEnabled)
	first := i.kit.Log.Size()
	i.kit.Restart() // the time passed while it was down
	sweepAt(t, i.kit, 20*day)
	events := i.kit.Events(first)
	if len(events) < 1 || !bytes.Contains(events[0], []byte(`"eventName":"DeleteExpiredKeyMaterial"`)) ||
		!bytes.Contains(events[0], []byte(`"keyMaterialId":"`+material+`"`)) || !bytes.Contains(events[0], []byte("AwsServiceEvent")) {
		t.Errorf("events %s", events)
	}
	i.state(id, types.KeyStatePendingImport)
	i.state(kept, types.KeyStateEnabled)
	_, err = i.c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob})
	refused(t, "expired", err, "KMSInvalidStateException", "is pending import.")
	in = i.input(id, secret(1))
	in.ExpirationModel, in.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, new(i.kit.Now().Add(10*day))
	i.imports(in)
	i.imports(i.input(id, secret(1))) // takes the date away again
	sweepAt(t, i.kit, 40*day)
	must(i.c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob}))
	if left := recordsUnder(t, i.kit, "kms/expiry/"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestImportedRotation: further material waits until it is rotated to; from then on
// all of it belongs to the key.
func TestImportedRotation(t *testing.T) {
	i := newImporter(t)
	ctx := t.Context()
	id := i.symmetric()
	rotate := func() error {
		_, err := i.c.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id})
		return err
	}
	refused(t, "without material", rotate(), "KMSInvalidStateException", "is pending import.")
	in := i.input(id, secret(1))
	in.KeyMaterialDescription = new("first one")
	one := i.imports(in)
	refused(t, "nothing to rotate to", rotate(), "KMSInvalidStateException", "no key material that is pending rotation.")
	blobs := [][]byte{must(i.encrypt(id))}
	in = i.input(id, secret(2))
	_, err := i.do(in)
	refused(t, "new material by default", err, "IncorrectKeyMaterialException", "previously imported")
	in.ImportType, in.KeyMaterialDescription = types.ImportTypeNewKeyMaterial, new("second")
	two := i.imports(in)
	third := i.input(id, secret(3))
	third.ImportType = types.ImportTypeNewKeyMaterial
	_, err = i.do(third)
	refused(t, "a second that waits", err, "KMSInvalidStateException", "already has key material that is pending rotation.")
	l := rotations(t, i.c, id, types.IncludeKeyMaterialAllKeyMaterial)
	if len(l) != 2 || *l[0].KeyMaterialId != one || l[0].KeyMaterialState != types.KeyMaterialStateCurrent || *l[0].KeyMaterialDescription != "first one" ||
		l[0].ImportState != types.ImportStateImported || *l[1].KeyMaterialId != two || l[1].KeyMaterialState != types.KeyMaterialStatePendingRotation {
		t.Errorf("waiting: %+v", l)
	}
	if l := rotations(t, i.c, id, ""); len(l) != 0 {
		t.Errorf("rotations: %+v", l)
	}
	i.deletes(id, two)
	i.state(id, types.KeyStateEnabled)
	if l := rotations(t, i.c, id, types.IncludeKeyMaterialAllKeyMaterial); len(l) != 1 {
		t.Errorf("what waited was deleted: %+v", l)
	}
	in = i.input(id, secret(2))
	in.ImportType, in.ExpirationModel, in.ValidTo = types.ImportTypeNewKeyMaterial, types.ExpirationModelTypeKeyMaterialExpires, new(time.Now().Add(day))
	i.imports(in)
	sweepAt(t, i.kit, 2*day) // expires before it was used
	i.state(id, types.KeyStateEnabled)
	refused(t, "it expired", rotate(), "KMSInvalidStateException", "no key material")
	in = i.input(id, secret(2))
	in.ImportType = types.ImportTypeNewKeyMaterial
	i.imports(in)
	if err := rotate(); err != nil {
		t.Fatal(err)
	}
	blobs = append(blobs, must(i.encrypt(id)))
	readable(t, i.c, id, blobs)
	i.deletes(id, one) // old material belongs to the key, too
	i.state(id, types.KeyStatePendingImport)
	if l := rotations(t, i.c, id, types.IncludeKeyMaterialAllKeyMaterial); l[0].ImportState != types.ImportStatePendingImport || l[0].ExpirationModel != "" {
		t.Errorf("after the deletion: %+v", l)
	}
	i.imports(i.input(id, secret(1)))
	i.state(id, types.KeyStateEnabled)
	readable(t, i.c, id, blobs)
	i.kit.Restart()
	readable(t, i.c, id, blobs)
	must(i.c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id}))
	sweepAt(t, i.kit, 60*day)
	if left := recordsOf(t, i.kit, id); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestImportStates: the rows of AWS's key state table for keys of imported material.
func TestImportStates(t *testing.T) {
	i := newImporter(t)
	c, ctx := i.c, t.Context()
	id := i.symmetric()
	arn := *i.describe(id).Arn
	pending := arn + " is pending import."
	for name, err := range map[string]error{
		"EnableKey":  errOf(c.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &id})),
		"DisableKey": errOf(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id})),
	} {
		refused(t, name, err, "KMSInvalidStateException", pending)
	}
	external := arn + " origin is EXTERNAL which is not valid for this operation."
	for name, err := range map[string]error{
		"EnableKeyRotation":    errOf(c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id})),
		"DisableKeyRotation":   errOf(c.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: &id})),
		"GetKeyRotationStatus": errOf(c.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &id})),
	} {
		refused(t, name, err, "UnsupportedOperationException", external)
	}
	in := i.input(id, secret(1))
	must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id}))
	for name, err := range map[string]error{
		"ImportKeyMaterial":      errOf(i.do(in)),
		"GetParametersForImport": errOf(c.GetParametersForImport(ctx, parametersOf(id))),
	} {
		refused(t, name, err, "KMSInvalidStateException", arn+" is pending deletion.")
	}
	must(c.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &id}))
	i.state(id, types.KeyStatePendingImport)
	i.imports(in)
	must(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id}))
	i.imports(i.input(id, secret(1)))
	i.state(id, types.KeyStateDisabled)
	must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id}))
	i.deletes(id, "")
	i.state(id, types.KeyStatePendingDeletion)
	must(c.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &id}))
	i.state(id, types.KeyStatePendingImport)

	_, err := c.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &id, KeyMaterialId: new(idOf(id, secret(9)))})
	refused(t, "unknown material", err, "NotFoundException", "does not exist")
	own := i.kit.NewKey(region)
	ownARN := *i.describe(own).Arn
	in.KeyId = &own
	for name, err := range map[string]error{
		"ImportKeyMaterial":         errOf(i.do(in)),
		"GetParametersForImport":    errOf(c.GetParametersForImport(ctx, parametersOf(own))),
		"DeleteImportedKeyMaterial": errOf(c.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &own})),
	} {
		refused(t, name, err, "UnsupportedOperationException", ownARN+" origin is AWS_KMS which is not valid for this operation.")
	}
	absent, foreign := "12345678-1234-1234-1234-123456789012", "arn:aws:s3:::x"
	for _, bad := range []struct{ id, code string }{{absent, "NotFoundException"}, {foreign, "InvalidArnException"}} {
		in.KeyId = &bad.id
		refused(t, "ImportKeyMaterial", errOf(i.do(in)), bad.code, bad.id[len(bad.id)-5:])
		refused(t, "GetParametersForImport", errOf(c.GetParametersForImport(ctx, parametersOf(bad.id))), bad.code, bad.id[len(bad.id)-5:])
		_, err := c.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &bad.id})
		refused(t, "DeleteImportedKeyMaterial", err, bad.code, bad.id[len(bad.id)-5:])
	}
}

func errOf[T any](_ T, err error) error { return err }

func parametersOf(id string) *kms.GetParametersForImportInput {
	return &kms.GetParametersForImportInput{KeyId: &id, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048}
}

// TestWrappingRefuses: what AWS does not take any more, and what cannot hold the key.
func TestWrappingRefuses(t *testing.T) {
	i := newImporter(t)
	keys := map[types.KeySpec]string{
		"SYMMETRIC_DEFAULT": i.symmetric(),
		"RSA_2048":          i.key("RSA_2048", "SIGN_VERIFY"),
		"ECC_NIST_P521":     i.key("ECC_NIST_P521", "SIGN_VERIFY"),
	}
	for _, tc := range []struct {
		key  types.KeySpec
		a    types.AlgorithmSpec
		with types.WrappingKeySpec
	}{
		{"SYMMETRIC_DEFAULT", types.AlgorithmSpecRsaesPkcs1V15, "RSA_2048"},
		{"SYMMETRIC_DEFAULT", types.AlgorithmSpecSm2pke, "SM2"},
		{"SYMMETRIC_DEFAULT", types.AlgorithmSpecRsaesOaepSha256, "SM2"},
		{"RSA_2048", types.AlgorithmSpecRsaesOaepSha256, "RSA_4096"},
		{"ECC_NIST_P521", types.AlgorithmSpecRsaesOaepSha1, "RSA_2048"},
		{"SYMMETRIC_DEFAULT", types.AlgorithmSpecRsaAesKeyWrapSha256, "RSA_2048"},
	} {
		_, err := i.c.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{
			KeyId: new(keys[tc.key]), WrappingAlgorithm: tc.a, WrappingKeySpec: tc.with})
		refused(t, string(tc.a), err, "UnsupportedOperationException", "Wrapping algorithm "+string(tc.a)+" with wrapping key spec "+string(tc.with))
	}
	_, err := i.c.CreateKey(t.Context(), &kms.CreateKeyInput{
		Origin: types.OriginTypeExternal, KeySpec: types.KeySpecEccNistEdwards25519, KeyUsage: types.KeyUsageTypeSignVerify})
	refused(t, "Ed25519", err, "UnsupportedOperationException", "KeySpec ECC_NIST_EDWARDS25519 cannot be imported")
}

// TestImportRun: the schedule looks by itself, first of all at what passed while it
// did not run.
func TestImportRun(t *testing.T) {
	i := newImporter(t)
	id, rotated := i.symmetric(), i.kit.NewKey(region)
	in := i.input(id, secret(1))
	in.ExpirationModel, in.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, new(time.Now().Add(day))
	i.imports(in)
	must(i.c.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: &rotated, RotationPeriodInDays: new(int32(90))}))
	i.kit.Offset.Store(int64(100 * day))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- i.kit.Server.Run(ctx) }()
	for len(rotations(t, i.c, rotated, "")) == 0 || i.describe(id).KeyState != types.KeyStatePendingImport {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func recordsUnder(t *testing.T, kit *testkit.Kit, prefix string) (paths []string) {
	t.Helper()
	err := kit.DB.View(t.Context(), func(tx store.Tx) error {
		for path := range tx.Scan(prefix, "") {
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}
