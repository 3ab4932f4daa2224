package server_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	keydkms "github.com/keyd-hsm/keyd/kms"
)

// A spoiler turns an input that succeeds into one that meets an exception.
type spoiler func(f *operations, in any)

func spoil[I any](change func(f *operations, in *I)) spoiler {
	return func(f *operations, in any) { change(f, in.(*I)) }
}

// memberOf finds the first member of those names in an input.
func memberOf(in any, names ...string) (v reflect.Value, ok bool) {
	for _, name := range names {
		if v = reflect.ValueOf(in).Elem().FieldByName(name); v.IsValid() {
			return v, true
		}
	}
	return v, false
}

// always is how an exception is met by every operation with that member, but for
// those that have a row of their own.
type always struct {
	members []string
	value   func(f *operations) any
}

var keyMembers = []string{"KeyId", "TargetKeyId", "DestinationKeyId"}

func onKey(value func(f *operations) string) always {
	return always{keyMembers, func(f *operations) any { return new(value(f)) }}
}

var everywhere = map[string]always{
	"NotFoundException":                 onKey(func(*operations) string { return noKey }),
	"InvalidArnException":               onKey(func(*operations) string { return "arn:aws:s3:::bucket" }),
	"DisabledException":                 onKey(func(f *operations) string { return f.disabled }),
	"KMSInvalidStateException":          onKey(func(f *operations) string { return f.pending }),
	"InvalidKeyUsageException":          onKey(func(f *operations) string { return f.agreement }),
	"InvalidGrantTokenException":        {[]string{"GrantTokens"}, func(*operations) any { return []string{"no token"} }},
	"DryRunOperationException":          {[]string{"DryRun"}, func(*operations) any { return new(true) }},
	"InvalidMarkerException":            {[]string{"Marker"}, func(*operations) any { return new("no marker") }},
	"MalformedPolicyDocumentException":  {[]string{"Policy"}, func(*operations) any { return new("{}") }},
	"TagException":                      {[]string{"Tags"}, func(*operations) any { return []types.Tag{{TagKey: new("aws:a"), TagValue: new("b")}} }},
	"CustomKeyStoreNotFoundException":   {[]string{"CustomKeyStoreId"}, func(*operations) any { return new(noStore) }},
	"CloudHsmClusterNotFoundException":  {[]string{"CloudHsmClusterId"}, func(*operations) any { return new(noCluster) }},
	"CloudHsmClusterNotActiveException": {[]string{"CloudHsmClusterId"}, func(*operations) any { return new(absentCluster) }},
}

// tooMany are more tags than the appliance of the tests allows.
var tooMany = []types.Tag{
	{TagKey: new("1"), TagValue: new("")}, {TagKey: new("2"), TagValue: new("")},
	{TagKey: new("3"), TagValue: new("")}, {TagKey: new("4"), TagValue: new("")},
}

func damaged(b []byte) []byte {
	b = slices.Clone(b)
	b[len(b)-1] ^= 1
	return b
}

// spoilers are how exceptions are met that no change of one common member
// provokes.
var spoilers = map[string]spoiler{
	"CancelKeyDeletion KMSInvalidStateException": spoil(func(f *operations, in *kms.CancelKeyDeletionInput) { in.KeyId = &f.symmetric }),

	"ConnectCustomKeyStore CloudHsmClusterNotActiveException": spoil(func(f *operations, in *kms.ConnectCustomKeyStoreInput) {
		in.CustomKeyStoreId = new(f.newStore(freeCluster))
	}),
	"ConnectCustomKeyStore CloudHsmClusterInvalidConfigurationException": spoil(func(f *operations, in *kms.ConnectCustomKeyStoreInput) {
		in.CustomKeyStoreId = new(f.newStore(twinCluster))
	}),
	"ConnectCustomKeyStore CustomKeyStoreInvalidStateException": spoil(func(f *operations, in *kms.ConnectCustomKeyStoreInput) {
		in.CustomKeyStoreId = &f.failed
	}),

	"CreateAlias AlreadyExistsException":    spoil(func(f *operations, in *kms.CreateAliasInput) { in.AliasName = f.newAlias() }),
	"CreateAlias InvalidAliasNameException": spoil(func(_ *operations, in *kms.CreateAliasInput) { in.AliasName = new("alias/") }),
	"CreateAlias LimitExceededException": spoil(func(f *operations, in *kms.CreateAliasInput) {
		in.TargetKeyId = f.namedThrice()
	}),
	"UpdateAlias LimitExceededException": spoil(func(f *operations, in *kms.UpdateAliasInput) { in.TargetKeyId = f.namedThrice() }),
	"DeleteAlias NotFoundException":      spoil(func(_ *operations, in *kms.DeleteAliasInput) { in.AliasName = new("alias/none") }),

	"CreateCustomKeyStore CloudHsmClusterInUseException": spoil(func(_ *operations, in *kms.CreateCustomKeyStoreInput) {
		in.CloudHsmClusterId = new(firstCluster)
	}),
	"CreateCustomKeyStore CustomKeyStoreNameInUseException": spoil(func(_ *operations, in *kms.CreateCustomKeyStoreInput) {
		in.CustomKeyStoreName, in.CloudHsmClusterId = new(firstCluster), new(spareCluster(0))
	}),
	"CreateCustomKeyStore IncorrectTrustAnchorException": spoil(func(_ *operations, in *kms.CreateCustomKeyStoreInput) {
		in.CloudHsmClusterId = new(absentCluster)
	}),
	"CreateCustomKeyStore LimitExceededException": spoil(func(f *operations, _ *kms.CreateCustomKeyStoreInput) { f.fillStores() }),
	"UpdateCustomKeyStore CustomKeyStoreNameInUseException": spoil(func(_ *operations, in *kms.UpdateCustomKeyStoreInput) {
		in.NewCustomKeyStoreName = new(firstCluster)
	}),
	"UpdateCustomKeyStore CloudHsmClusterNotRelatedException": spoil(func(f *operations, in *kms.UpdateCustomKeyStoreInput) {
		in.CloudHsmClusterId = new(brokenCluster)
	}),
	"UpdateCustomKeyStore CloudHsmClusterInvalidConfigurationException": spoil(func(_ *operations, in *kms.UpdateCustomKeyStoreInput) {
		in.CloudHsmClusterId = new(twinCluster)
	}),
	"UpdateCustomKeyStore CustomKeyStoreInvalidStateException": spoil(func(f *operations, in *kms.UpdateCustomKeyStoreInput) {
		in.CustomKeyStoreId = &f.connected
	}),
	"DeleteCustomKeyStore CustomKeyStoreHasCMKsException": spoil(func(f *operations, in *kms.DeleteCustomKeyStoreInput) {
		in.CustomKeyStoreId = &f.unconnected
	}),
	"DeleteCustomKeyStore CustomKeyStoreInvalidStateException": spoil(func(f *operations, in *kms.DeleteCustomKeyStoreInput) {
		in.CustomKeyStoreId = &f.failed
	}),
	"DisconnectCustomKeyStore CustomKeyStoreInvalidStateException": spoil(func(f *operations, _ *kms.DisconnectCustomKeyStoreInput) {
		f.disconnect(f.unconnected)
	}),

	"CreateGrant LimitExceededException": spoil(func(f *operations, in *kms.CreateGrantInput) {
		for range 3 {
			must(f.c.CreateGrant(f.t.Context(), in))
		}
	}),
	"ListGrants InvalidGrantIdException": spoil(func(_ *operations, in *kms.ListGrantsInput) { in.GrantId = new("none") }),
	"ListRetirableGrants InvalidArnException": spoil(func(_ *operations, in *kms.ListRetirableGrantsInput) {
		in.RetiringPrincipal = new("arn:aws:iam::111122223333:user/none")
	}),
	"RetireGrant InvalidGrantIdException": spoil(func(_ *operations, in *kms.RetireGrantInput) { in.GrantId = new("none") }),
	"RetireGrant InvalidGrantTokenException": spoil(func(_ *operations, in *kms.RetireGrantInput) {
		in.KeyId, in.GrantId, in.GrantToken = nil, nil, new("none")
	}),
	"RevokeGrant InvalidGrantIdException": spoil(func(_ *operations, in *kms.RevokeGrantInput) { in.GrantId = new("none") }),

	"CreateKey LimitExceededException": spoil(func(_ *operations, in *kms.CreateKeyInput) { in.Tags = tooMany }),
	"CreateKey UnsupportedOperationException": spoil(func(_ *operations, in *kms.CreateKeyInput) {
		in.KeySpec, in.KeyUsage = "ML_DSA_44", "SIGN_VERIFY"
	}),
	"CreateKey CustomKeyStoreNotFoundException": spoil(func(_ *operations, in *kms.CreateKeyInput) {
		in.Origin, in.CustomKeyStoreId = types.OriginTypeAwsCloudhsm, new(noStore)
	}),
	"CreateKey CustomKeyStoreInvalidStateException": spoil(func(f *operations, in *kms.CreateKeyInput) {
		in.Origin, in.CustomKeyStoreId = types.OriginTypeAwsCloudhsm, &f.failed
	}),
	"GenerateRandom CustomKeyStoreInvalidStateException": spoil(func(f *operations, in *kms.GenerateRandomInput) {
		in.CustomKeyStoreId = &f.failed
	}),
	"GenerateRandom UnsupportedOperationException": spoil(func(_ *operations, in *kms.GenerateRandomInput) {
		in.Recipient = &types.RecipientInfo{AttestationDocument: []byte("x"), KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_256"}
	}),
	"PutKeyPolicy LimitExceededException": spoil(func(_ *operations, in *kms.PutKeyPolicyInput) {
		in.Policy = new(*in.Policy + strings.Repeat(" ", 4096))
	}),
	"TagResource LimitExceededException": spoil(func(_ *operations, in *kms.TagResourceInput) { in.Tags = tooMany }),
	"UntagResource TagException":         spoil(func(_ *operations, in *kms.UntagResourceInput) { in.TagKeys = []string{"aws:a"} }),

	"Decrypt DisabledException":          spoil(func(f *operations, in *kms.DecryptInput) { in.CiphertextBlob = f.sealedDisabled }),
	"Decrypt KMSInvalidStateException":   spoil(func(f *operations, in *kms.DecryptInput) { in.CiphertextBlob = f.sealedGone }),
	"Decrypt InvalidCiphertextException": spoil(func(f *operations, in *kms.DecryptInput) { in.CiphertextBlob = damaged(f.sealed) }),
	"Decrypt IncorrectKeyException":      spoil(func(f *operations, in *kms.DecryptInput) { in.KeyId = &f.primary }),
	"Decrypt InvalidKeyUsageException": spoil(func(f *operations, in *kms.DecryptInput) {
		in.KeyId, in.EncryptionAlgorithm = &f.ecc, "RSAES_OAEP_SHA_256"
	}),
	"ReEncrypt InvalidCiphertextException": spoil(func(f *operations, in *kms.ReEncryptInput) { in.CiphertextBlob = damaged(f.sealed) }),
	"ReEncrypt IncorrectKeyException":      spoil(func(f *operations, in *kms.ReEncryptInput) { in.SourceKeyId = &f.primary }),
	"DeriveSharedSecret InvalidKeyUsageException": spoil(func(f *operations, in *kms.DeriveSharedSecretInput) {
		in.KeyId = &f.ecc
	}),
	"Verify KMSInvalidSignatureException": spoil(func(f *operations, in *kms.VerifyInput) { in.Message = []byte("n") }),
	"VerifyMac KMSInvalidMacException":    spoil(func(f *operations, in *kms.VerifyMacInput) { in.Message = []byte("n") }),
	"GenerateDataKeyPair UnsupportedOperationException": spoil(func(_ *operations, in *kms.GenerateDataKeyPairInput) {
		in.KeyPairSpec = "SM2"
	}),
	"GenerateDataKeyPairWithoutPlaintext UnsupportedOperationException": spoil(func(_ *operations, in *kms.GenerateDataKeyPairWithoutPlaintextInput) {
		in.KeyPairSpec = "SM2"
	}),
	"GetPublicKey UnsupportedOperationException": spoil(func(f *operations, in *kms.GetPublicKeyInput) { in.KeyId = &f.symmetric }),

	"DeleteImportedKeyMaterial UnsupportedOperationException": spoil(func(f *operations, in *kms.DeleteImportedKeyMaterialInput) {
		in.KeyId = &f.symmetric
	}),
	"GetParametersForImport UnsupportedOperationException": spoil(func(f *operations, in *kms.GetParametersForImportInput) {
		in.KeyId = &f.symmetric
	}),
	"GetParametersForImport KMSInvalidStateException": spoil(func(f *operations, in *kms.GetParametersForImportInput) {
		in.KeyId = &f.importedGone
	}),
	"ImportKeyMaterial UnsupportedOperationException": spoil(func(f *operations, in *kms.ImportKeyMaterialInput) { in.KeyId = &f.symmetric }),
	"ImportKeyMaterial KMSInvalidStateException":      spoil(func(f *operations, in *kms.ImportKeyMaterialInput) { in.KeyId = &f.importedGone }),
	"ImportKeyMaterial InvalidImportTokenException": spoil(func(_ *operations, in *kms.ImportKeyMaterialInput) {
		in.ImportToken = damaged(in.ImportToken)
	}),
	"ImportKeyMaterial InvalidCiphertextException": spoil(func(_ *operations, in *kms.ImportKeyMaterialInput) {
		in.EncryptedKeyMaterial = damaged(in.EncryptedKeyMaterial)
	}),
	"ImportKeyMaterial IncorrectKeyMaterialException": spoil(func(f *operations, in *kms.ImportKeyMaterialInput) {
		in.EncryptedKeyMaterial = f.wrapped('n')
	}),
	"ImportKeyMaterial ExpiredImportTokenException": spoil(func(f *operations, _ *kms.ImportKeyMaterialInput) {
		f.kit.Offset.Store(int64(25 * time.Hour))
		f.t.Cleanup(func() { f.kit.Offset.Store(0) })
	}),

	"DisableKeyRotation UnsupportedOperationException":   spoil(func(f *operations, in *kms.DisableKeyRotationInput) { in.KeyId = &f.hmac }),
	"EnableKeyRotation UnsupportedOperationException":    spoil(func(f *operations, in *kms.EnableKeyRotationInput) { in.KeyId = &f.hmac }),
	"GetKeyRotationStatus UnsupportedOperationException": spoil(func(f *operations, in *kms.GetKeyRotationStatusInput) { in.KeyId = &f.imported }),
	"ListKeyRotations UnsupportedOperationException":     spoil(func(f *operations, in *kms.ListKeyRotationsInput) { in.KeyId = &f.hmac }),
	"RotateKeyOnDemand UnsupportedOperationException":    spoil(func(f *operations, in *kms.RotateKeyOnDemandInput) { in.KeyId = &f.hmac }),
	"RotateKeyOnDemand LimitExceededException": spoil(func(f *operations, in *kms.RotateKeyOnDemandInput) {
		for range keydkms.MaxRotationsOnDemand {
			must(f.c.RotateKeyOnDemand(f.t.Context(), in))
		}
	}),
	"ReplicateKey AlreadyExistsException":               spoil(func(f *operations, in *kms.ReplicateKeyInput) { in.KeyId = &f.primary }),
	"ReplicateKey LimitExceededException":               spoil(func(_ *operations, in *kms.ReplicateKeyInput) { in.Tags = tooMany }),
	"ReplicateKey UnsupportedOperationException":        spoil(func(f *operations, in *kms.ReplicateKeyInput) { in.KeyId = &f.symmetric }),
	"ReplicateKey DisabledException":                    spoil(func(f *operations, in *kms.ReplicateKeyInput) { f.disable(*in.KeyId) }),
	"ReplicateKey KMSInvalidStateException":             spoil(func(f *operations, in *kms.ReplicateKeyInput) { f.schedule(*in.KeyId) }),
	"UpdatePrimaryRegion UnsupportedOperationException": spoil(func(f *operations, in *kms.UpdatePrimaryRegionInput) { in.KeyId = &f.symmetric }),
	"UpdatePrimaryRegion DisabledException":             spoil(func(f *operations, in *kms.UpdatePrimaryRegionInput) { f.disable(*in.KeyId) }),
	"UpdatePrimaryRegion KMSInvalidStateException":      spoil(func(f *operations, in *kms.UpdatePrimaryRegionInput) { f.schedule(*in.KeyId) }),
}

func (f *operations) disable(key string) {
	must(f.c.DisableKey(f.t.Context(), &kms.DisableKeyInput{KeyId: &key}))
}

// fillStores makes custom key stores, until the end of the row, up to the limit.
func (f *operations) fillStores() {
	there := must(f.c.DescribeCustomKeyStores(f.t.Context(), &kms.DescribeCustomKeyStoresInput{}))
	for i := range 10 - len(there.CustomKeyStores) {
		id := f.newStore(spareCluster(i))
		f.t.Cleanup(func() {
			must(f.c.DeleteCustomKeyStore(context.Background(), &kms.DeleteCustomKeyStoreInput{CustomKeyStoreId: &id}))
		})
	}
}

// namedThrice makes a key with as many aliases as one may have here.
func (f *operations) namedThrice() *string {
	key := f.newKey(nil)
	for range 3 {
		must(f.c.CreateAlias(f.t.Context(), &kms.CreateAliasInput{AliasName: new("alias/" + f.name()), TargetKeyId: &key}))
	}
	return &key
}

// provoke spoils an input so that it meets the exception, and reports whether the
// tables know how.
func (f *operations) provoke(op, exception string, in any) bool {
	if change, ok := spoilers[op+" "+exception]; ok {
		change(f, in)
		return true
	}
	way, ok := everywhere[exception]
	if !ok {
		return false
	}
	v, ok := memberOf(in, way.members...)
	if ok {
		v.Set(reflect.ValueOf(way.value(f)))
	}
	return ok
}

// TestEveryException provokes each modelled exception of each operation once, and
// holds those that the list says cannot occur to that: it fails for one that is in
// neither.
func TestEveryException(t *testing.T) {
	f := startOperations(t)
	f.each(t, func(op api.Operation, in any) {
		t := f.t
		for _, exception := range op.Errors {
			if exception == kmsapi.KMSInternalException || exception == kmsapi.DependencyTimeoutException || cannotOccur(op.Name, exception.Code) {
				continue
			}
			t.Run(exception.Code, func(t *testing.T) {
				f.t = t
				in := ordinaryUse[op.Name](f)
				if !f.provoke(op.Name, exception.Code, in) {
					t.Fatal("neither provoked nor in the list of what cannot occur")
				}
				if _, err := f.call(in); codeOf(err) != exception.Code {
					t.Errorf("answered %v", err)
				}
			})
		}
		f.t = t
		f.timesOut(op, in)
	})
}

// TestExceptionTables: no row is left over from another model.
func TestExceptionTables(t *testing.T) {
	known := make(map[string]bool)
	for _, op := range kmsapi.Service.Operations {
		for _, exception := range op.Errors {
			known[exception.Code], known[op.Name+" "+exception.Code] = true, true
		}
	}
	for row := range spoilers {
		if op, exception, _ := strings.Cut(row, " "); !known[row] || cannotOccur(op, exception) {
			t.Errorf("%s is not in the model, or in the list of what cannot occur", row)
		}
	}
	for row := range impossible {
		if !known[row] {
			t.Errorf("%s is listed as impossible and not in the model", row)
		}
	}
}

// timesOut calls the operation while neither token nor store answers in time.
func (f *operations) timesOut(op api.Operation, in any) {
	if !slices.Contains(op.Errors, kmsapi.DependencyTimeoutException) {
		return
	}
	want := "DependencyTimeoutException"
	if cannotOccur(op.Name, want) {
		want = unservedUse[op.Name]
	}
	f.late.on.Store(true)
	_, err := f.call(in)
	f.late.on.Store(false)
	if codeOf(err) != want {
		f.t.Errorf("while nothing answers in time: %v, want %q", err, want)
	}
}

// TestInternalException: every operation answers KMSInternalException, in place of
// what it would have, when its event cannot be recorded.
func TestInternalException(t *testing.T) {
	f := startOperations(t)
	inputs := make(map[string]any)
	f.each(t, func(op api.Operation, in any) { inputs[op.Name] = in })
	if err := f.kit.Log.Close(); err != nil {
		t.Fatal(err)
	}
	for name, in := range inputs {
		if _, err := f.call(in); codeOf(err) != "KMSInternalException" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
