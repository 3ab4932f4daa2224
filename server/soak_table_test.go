package server_test

import "github.com/aws/aws-sdk-go-v2/service/kms/types"

// keyStates is AWS's page "Key states of AWS KMS keys": what an operation answers
// for a key in each state, in the order of stateColumns. A dot is success, D is
// DisabledException, I is KMSInvalidStateException.
var keyStates = map[string]string{
	"CancelKeyDeletion":               "II..II",
	"CreateAlias":                     "..II..",
	"CreateGrant":                     ".DIII.",
	"Decrypt":                         ".DIIII",
	"DeleteAlias":                     "......",
	"DeleteImportedKeyMaterial":       "......",
	"DescribeKey":                     "......",
	"DisableKey":                      "..III.",
	"DisableKeyRotation":              ".DIIII",
	"EnableKey":                       "..III.",
	"EnableKeyRotation":               ".DIIII",
	"Encrypt":                         ".DIIII",
	"GenerateDataKey":                 ".DIIII",
	"GenerateDataKeyPair":             ".DIIII",
	"GenerateDataKeyWithoutPlaintext": ".DIIII",
	"GenerateMac":                     ".DIIII",
	"GetKeyLastUsage":                 "......",
	"GetKeyPolicy":                    "......",
	"GetKeyRotationStatus":            "......",
	"GetParametersForImport":          "..II..",
	"GetPublicKey":                    ".DIIII",
	"ImportKeyMaterial":               "..II..",
	"ListAliases":                     "......",
	"ListGrants":                      "......",
	"ListKeyPolicies":                 "......",
	"ListKeyRotations":                "......",
	"ListResourceTags":                "......",
	"PutKeyPolicy":                    "......",
	"ReEncrypt":                       ".DIIII",
	"ReplicateKey":                    ".DIIII",
	"RetireGrant":                     "......",
	"RevokeGrant":                     "......",
	"RotateKeyOnDemand":               ".DIIII",
	"ScheduleKeyDeletion":             "..II..",
	"Sign":                            ".DIIII",
	"TagResource":                     "..II..",
	"UntagResource":                   "..II..",
	"UpdateAlias":                     "..II..",
	"UpdateKeyDescription":            "..II..",
	"UpdatePrimaryRegion":             ".DIIII",
	"Verify":                          ".DIIII",
	"VerifyMac":                       ".DIIII",
}

var stateColumns = []types.KeyState{
	types.KeyStateEnabled, types.KeyStateDisabled, types.KeyStatePendingDeletion,
	types.KeyStatePendingReplicaDeletion, types.KeyStatePendingImport, types.KeyStateUnavailable,
}
