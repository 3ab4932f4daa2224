package command_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
)

// kmsLevels are the levels of all actions of KMS in AWS's Service Authorization
// Reference. It does not have Encapsulate and Decapsulate yet: they are as
// Encrypt and Decrypt.
var kmsLevels = map[string]string{
	"List": "ListAliases ListGrants ListKeyPolicies ListKeyRotations ListKeys ListResourceTags ListRetirableGrants",
	"Read": "DescribeCustomKeyStores DescribeKey GetKeyLastUsage GetKeyPolicy GetKeyRotationStatus GetParametersForImport GetPublicKey",
	"Write": "CancelKeyDeletion ConnectCustomKeyStore CreateAlias CreateCustomKeyStore CreateKey Decapsulate Decrypt DeleteAlias " +
		"DeleteCustomKeyStore DeleteImportedKeyMaterial DeriveSharedSecret DisableKey DisableKeyRotation DisconnectCustomKeyStore " +
		"EnableKey EnableKeyRotation Encapsulate Encrypt GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext " +
		"GenerateDataKeyWithoutPlaintext GenerateMac GenerateRandom ImportKeyMaterial ReEncryptFrom ReEncryptTo ReplicateKey " +
		"RotateKeyOnDemand ScheduleKeyDeletion Sign SynchronizeMultiRegionKey UpdateAlias UpdateCustomKeyStore " +
		"UpdateKeyDescription UpdatePrimaryRegion Verify VerifyMac",
	"Permissions management": "CreateGrant PutKeyPolicy RetireGrant RevokeGrant",
	"Tagging":                "TagResource UntagResource",
}

func TestAccessLevelsOfKMS(t *testing.T) {
	want := map[string]string{}
	for level, names := range kmsLevels {
		for name := range strings.FieldsSeq(names) {
			want["kms:"+name] = level
		}
	}
	if got := command.AccessLevels("kms:"); !maps.Equal(got, want) {
		for _, name := range slices.Sorted(maps.Keys(got)) {
			if got[name] != want[name] {
				t.Errorf("%s: %s, want %q", name, got[name], want[name])
			}
		}
		t.Errorf("%d actions, want %d", len(got), len(want))
	}
	// ReEncrypt is two actions, and one is none of an operation.
	if len(want) != len(kmsapi.Service.Operations)+2 {
		t.Errorf("%d operations, %d actions", len(kmsapi.Service.Operations), len(want))
	}
}
