package server_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"pgregory.net/rapid"

	keydkms "github.com/keyd-hsm/keyd/kms"
)

// rotates is what the operations on the rotation of a key answer: what it can never
// have counts before its state, but for what its spec and its place forbid.
func (m *machine) rotates(operation string, k *keyOf, external bool) string {
	want := m.byState(operation, k)
	switch {
	case k.gone:
	case k.kind == kindStored, k.kind == kindExternal && !external,
		want == "" && (!m.symmetric(k) || !k.isPrimary()):
		return "UnsupportedOperationException"
	}
	return want
}

func (m *machine) rotate() {
	k := m.pick()
	_, err := m.of(k).RotateKeyOnDemand(context.Background(), &kms.RotateKeyOnDemandInput{KeyId: &k.id})
	want := m.rotates("RotateKeyOnDemand", k, true)
	waits := slices.IndexFunc(k.imported, func(i *importedMaterial) bool { return i.pending })
	switch {
	case want != "":
	case k.onDemand >= keydkms.MaxRotationsOnDemand:
		want = "LimitExceededException"
	case k.kind == kindExternal && waits < 0:
		want = "KMSInvalidStateException"
	}
	if !m.answer("RotateKeyOnDemand", k, err, want) {
		return
	}
	k.onDemand++
	k.rotations++
	if waits >= 0 {
		k.current = k.imported[waits]
		k.current.pending = false
	}
}

func (m *machine) rotationSchedule() {
	k, ctx := m.pick(), context.Background()
	if rapid.IntRange(0, 3).Draw(m.t, "disable") == 0 {
		_, err := m.of(k).DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: &k.id})
		if m.answer("DisableKeyRotation", k, err, m.rotates("DisableKeyRotation", k, false)) {
			k.period, k.next = 0, time.Time{}
		}
		return
	}
	days := rapid.SampledFrom([]int32{90, 365, 2560}).Draw(m.t, "period")
	_, err := m.of(k).EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &k.id, RotationPeriodInDays: &days})
	if m.answer("EnableKeyRotation", k, err, m.rotates("EnableKeyRotation", k, false)) && k.period != int(days) {
		status := must(m.of(k).GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &k.id}))
		k.period, k.next = int(days), m.near("NextRotationDate", *status.NextRotationDate, m.kit.Now(), int(days))
	}
}

// checkRotations compares what there is to know of a key's rotations.
func (m *machine) checkRotations() {
	k, ctx := m.pick(), context.Background()
	want := m.byState("GetKeyRotationStatus", k)
	if !k.gone && (k.kind == kindStored || k.kind == kindExternal) {
		want = "UnsupportedOperationException"
	}
	status, err := m.of(k).GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &k.id})
	if m.answer("GetKeyRotationStatus", k, err, want) {
		on := k.period > 0 && k.state != types.KeyStatePendingDeletion
		if status.KeyRotationEnabled != on || on && !status.NextRotationDate.Equal(k.next) {
			m.t.Fatalf("%s: rotation %+v, want every %d days, next %s", m.describe(k), status, k.period, k.next)
		}
	}
	want = m.byState("ListKeyRotations", k)
	if !k.gone && (k.kind == kindStored || !m.symmetric(k)) {
		want = "UnsupportedOperationException"
	}
	list, err := m.of(k).ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &k.id})
	if m.answer("ListKeyRotations", k, err, want) && len(list.Rotations) != k.rotations {
		m.t.Fatalf("%s: %d rotations, want %d", m.describe(k), len(list.Rotations), k.rotations)
	}
}

// complete reports whether the key has all material that belongs to it for good.
func (k *keyOf) complete() bool {
	if k.kind != kindExternal {
		return true
	}
	return k.current != nil && !slices.ContainsFunc(k.imported, func(i *importedMaterial) bool { return !i.pending && !i.present })
}

// settle is what a change of imported material does to the state.
func (k *keyOf) settle() {
	switch {
	case k.state != types.KeyStateEnabled && k.state != types.KeyStateDisabled && k.state != types.KeyStatePendingImport:
	case !k.complete():
		k.state = types.KeyStatePendingImport
	case k.state == types.KeyStatePendingImport:
		k.state = types.KeyStateEnabled
	}
}

// drop is what the deletion of material, or its expiry, does.
func (k *keyOf) drop(i *importedMaterial) {
	i.present, i.expires = false, time.Time{}
	if i.pending {
		k.imported = slices.DeleteFunc(k.imported, func(j *importedMaterial) bool { return j == i })
	}
	k.settle()
}

// parameters gets what an import into the key needs; nil when the key refuses.
func (m *machine) parameters(k *keyOf) *kms.GetParametersForImportOutput {
	if k.params != nil && rapid.Bool().Draw(m.t, "old parameters") {
		return k.params
	}
	out, err := m.of(k).GetParametersForImport(context.Background(), &kms.GetParametersForImportInput{
		KeyId: &k.id, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048",
	})
	want := m.byState("GetParametersForImport", k)
	if !k.gone && k.kind != kindExternal {
		want = "UnsupportedOperationException"
	}
	if m.answer("GetParametersForImport", k, err, want) {
		k.params = out
	}
	return k.params
}

func (m *machine) importMaterial() {
	k := m.pick(kindExternal, kindExternal, kindSymmetric)
	p := m.parameters(k)
	if p == nil {
		return
	}
	content := byte(rapid.IntRange('a', 'd').Draw(m.t, "material"))
	wrapped, err := wrapFor(p, content)
	if err != nil {
		m.t.Fatal(err)
	}
	in := &kms.ImportKeyMaterialInput{
		KeyId: &k.id, ImportToken: p.ImportToken, EncryptedKeyMaterial: wrapped,
		ImportType:      rapid.SampledFrom([]types.ImportType{"", types.ImportTypeNewKeyMaterial, types.ImportTypeExistingKeyMaterial}).Draw(m.t, "type"),
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}
	var expires time.Time
	if days := rapid.IntRange(-20, 20).Draw(m.t, "expires"); days > 0 {
		expires = m.kit.Now().Add(time.Duration(days) * day).Truncate(time.Second)
		in.ExpirationModel, in.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, &expires
	}
	out, err := m.of(k).ImportKeyMaterial(context.Background(), in)
	if !m.answer("ImportKeyMaterial", k, err, m.importAnswer(k, p, content, in.ImportType)) {
		return
	}
	i := k.content(content)
	if i == nil {
		i = &importedMaterial{content: content, pending: k.current != nil}
		k.imported = append(k.imported, i)
		if !i.pending {
			k.current = i
		}
	}
	i.present, i.expires, i.id = true, expires, *out.KeyMaterialId
	k.settle()
}

func (k *keyOf) content(c byte) *importedMaterial {
	for _, i := range k.imported {
		if i.content == c {
			return i
		}
	}
	return nil
}

// importAnswer is what an import answers, in AWS's order: state, token, material.
func (m *machine) importAnswer(k *keyOf, p *kms.GetParametersForImportOutput, content byte, kind types.ImportType) string {
	if want := m.byState("ImportKeyMaterial", k); want != "" {
		return want
	}
	if p.ParametersValidTo.Before(m.kit.Now()) {
		return "ExpiredImportTokenException"
	}
	isNew := kind == types.ImportTypeNewKeyMaterial || kind == "" && len(k.imported) == 0
	known := k.content(content) != nil
	switch {
	case isNew == known:
		return "IncorrectKeyMaterialException"
	case isNew && slices.ContainsFunc(k.imported, func(i *importedMaterial) bool { return i.pending }):
		return "KMSInvalidStateException"
	}
	return ""
}

func (m *machine) deleteMaterial() {
	k := m.pick(kindExternal, kindExternal, kindSymmetric)
	in := &kms.DeleteImportedKeyMaterialInput{KeyId: &k.id}
	i := k.current
	if len(k.imported) > 0 && rapid.Bool().Draw(m.t, "by id") {
		i = rapid.SampledFrom(k.imported).Draw(m.t, "material")
		in.KeyMaterialId = &i.id
	}
	_, err := m.of(k).DeleteImportedKeyMaterial(context.Background(), in)
	want := m.byState("DeleteImportedKeyMaterial", k)
	if !k.gone && k.kind != kindExternal {
		want = "UnsupportedOperationException"
	}
	if m.answer("DeleteImportedKeyMaterial", k, err, want) && i != nil && i.present {
		k.drop(i)
	}
}

// wrapFor encrypts 32 bytes for the import of material.
func wrapFor(p *kms.GetParametersForImportOutput, content byte) ([]byte, error) {
	public, err := x509.ParsePKIXPublicKey(p.PublicKey)
	if err != nil {
		return nil, err
	}
	return rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), bytes.Repeat([]byte{content}, 32), nil)
}
